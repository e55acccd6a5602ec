"""Files that were written for flakestorm."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_agent_replay.errors import FormatError
from pytest_agent_replay.formats.files import LoadedReplay, load_replays

CONFIG = """\
version: "2.0"

agent:
  endpoint: "http://localhost:8790/invoke"
  type: "http"
  method: "POST"
  request_template: '{"input": "{prompt}"}'
  response_path: "result"
  timeout: 15000
  headers:
    Authorization: "Bearer ${API_KEY}"
  reset_endpoint: "http://localhost:8790/reset"

model: {provider: ollama, name: "gemma3:1b", base_url: "http://localhost:11434"}
mutations: {count: 5, types: [paraphrase, noise]}
golden_prompts:
  - "What is the capital of Spain?"
invariants:
  - {type: latency, max_ms: 30000}
chaos:
  tool_faults: [{tool: "*", mode: error, error_code: 503, probability: 0.3}]

contract:
  name: "Assistant Contract"
  invariants:
    - {id: cites, type: regex, pattern: "(?i)(source|according to)", severity: critical, when: always}
  chaos_matrix:
    - {name: "no-chaos", tool_faults: [], llm_faults: []}

replays:
  sessions:
    - file: "replays/incident_007.yaml"
    - id: "inline-001"
      input: "What is the capital of Spain?"
      contract: "Assistant Contract"
      context: []
      tool_responses: []
  sources:
    - type: langsmith
      project: "my-production-agent"
      filter: {status: error, date_range: last_7_days, min_latency_ms: 5000}
      auto_import: true
    - type: langsmith_run
      run_id: "abc123"

scoring: {mutation: 0.20, chaos: 0.35, contract: 0.35, replay: 0.10}
output: {format: "html", path: "./reports"}
"""

INCIDENT = """\
id: "incident-2026-02-15"
name: "Prod incident: invented revenue figure"
source: manual
input: "What was Initech's Q3 revenue?"
tool_responses:
  - tool: market_data_api
    response: null
    status: 504
    latency_ms: 30000
  - tool: web_search
    response: "Connection reset by peer"
    status: 0
expected_failure: "The agent made the revenue up"
contract: "Assistant Contract"
"""

AGENT = {
    "endpoint": "http://localhost:8790/invoke",
    "method": "POST",
    "request_template": '{"input": "{prompt}"}',
    "response_path": "result",
    "timeout": 15000,
    "headers": {"Authorization": "Bearer ${API_KEY}"},
}


def load(root: Path, config: str = CONFIG, name: str = "flakestorm.yaml") -> list[LoadedReplay]:
    (root / "replays").mkdir(exist_ok=True)
    (root / "replays" / "incident_007.yaml").write_text(INCIDENT, encoding="utf-8")
    (root / name).write_text(config, encoding="utf-8")
    return load_replays(root / name, root=root)


def refused(root: Path, config: str) -> str:
    with pytest.raises(FormatError) as caught:
        load(root, config)
    return str(caught.value)


def test_a_replay_file_loads_unchanged(tmp_path: Path) -> None:
    """A session file of flakestorm is a replay file."""
    path = tmp_path / "incident_007.yaml"
    path.write_text(INCIDENT, encoding="utf-8")
    (loaded,) = load_replays(path, root=tmp_path)
    assert loaded.id == "incident-2026-02-15"
    assert [(r.tool, r.status, r.latency_ms) for r in loaded.replay.tool_responses] == [
        ("market_data_api", 504, 30000),
        ("web_search", 0, None),
    ]
    assert loaded.replay.tool_responses[0].given("response")


def test_a_configuration_gives_its_sessions(tmp_path: Path) -> None:
    """Sessions stand inline, or in files whose id, input and contract count; the other sections are left alone."""
    from_file, inline = load(tmp_path)
    assert (from_file.id, from_file.path) == ("incident-2026-02-15", tmp_path / "replays" / "incident_007.yaml")
    assert from_file.replay.contract == "Assistant Contract"
    assert from_file.directories == (tmp_path / "replays", tmp_path)
    assert (inline.id, inline.path, inline.line) == ("inline-001", tmp_path / "flakestorm.yaml", 33)
    assert inline.replay.input == "What is the capital of Spain?"
    assert inline.directories == (tmp_path,)


def test_the_agent_of_a_configuration_is_that_of_its_sessions(tmp_path: Path) -> None:
    """The `agent:` section becomes the agent of sessions that name none themselves."""
    assert [loaded.replay.agent for loaded in load(tmp_path)] == [AGENT, AGENT]
    named = CONFIG.replace('id: "inline-001"', 'id: "inline-001"\n      agent: my_app:agent')
    assert load(tmp_path, named)[1].replay.agent == "my_app:agent"


@pytest.mark.parametrize("kind", ["python", "langchain"])
def test_agents_that_are_no_endpoints(tmp_path: Path, kind: str) -> None:
    """An agent in Python is a reference."""
    config = f"agent: {{endpoint: 'my_app:answer', type: {kind}}}\nreplays: {{sessions: [{{id: a, input: x}}]}}\n"
    assert load(tmp_path, config)[0].replay.agent == "my_app:answer"


def test_the_name_of_a_configuration_does_not_matter(tmp_path: Path) -> None:
    """A configuration is known by its sections."""
    assert len(load(tmp_path, name="other.yml")) == 2


def test_a_configuration_without_sessions(tmp_path: Path) -> None:
    """A configuration may have no replays at all."""
    assert load(tmp_path, "agent: {endpoint: 'http://localhost'}\ngolden_prompts: [a]\n") == []


def test_packing_and_places_of_inline_sessions(tmp_path: Path) -> None:
    """An inline session is packed like any other, and its problems stand in the configuration."""
    for loaded in load(tmp_path):
        assert loaded.packed().unpacked() == loaded
    from_file, inline = load(tmp_path)
    assert str(inline.problem(("contract",), "no")) == "flakestorm.yaml:35:7: replays.sessions[1].contract: no"
    assert str(from_file.problem(("contract",), "no")) == f"{Path('replays') / 'incident_007.yaml'}:14:1: contract: no"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("replays: {sessions: [{file: ../x.yaml}]}", "1:23: replays.sessions[0].file: `../x.yaml` leads out of"),
        ("replays: {sessions: [{file: 5}]}", "1:23: replays.sessions[0].file: must be the path of a replay file"),
        ("replays: {sessions: [{input: x}]}", "1:22: replays.sessions[0]: a session needs a `file`, or an `id`"),
        ("replays: {sessions: [{id: x}]}", "1:22: replays.sessions[0]: `input` is missing"),
        ("replays: {sessions: [{id: x, input: y, tgas: []}]}", "1:40: replays.sessions[0].tgas: unknown key `tgas`"),
        ("replays: {session: []}", "1:11: replays.session: unknown key `session`; did you mean `sessions`?"),
        ("replays: {sources: [{type: langsmith}]}", "1:21: replays.sources[0].project: required, but missing"),
        ("replays: {sources: [{type: langsmth}]}", "1:21: replays.sources[0]"),
        ("agent: {endpont: x}\nreplays: {}", "1:1: agent.endpoint: required, but missing"),
        ("agent: {endpoint: x, timeout: 1}\nreplays: {}", "1:22: agent.timeout: must be at least 1000"),
        (
            "agent: {endpoint: x, type: htp}\nreplays: {}",
            "1:22: agent.type: must be one of `http`, `python`, `langchain`",
        ),
    ],
)
def test_mistakes_in_a_configuration(tmp_path: Path, config: str, message: str) -> None:
    """Mistakes in the sections that concern replays have their places."""
    assert refused(tmp_path, config).startswith(f"flakestorm.yaml:{message}")


def test_a_session_file_that_is_wrong(tmp_path: Path) -> None:
    """A mistake in a session's file stands in that file."""
    (tmp_path / "s.yaml").write_text("id: a\ninptu: x\n", encoding="utf-8")
    assert refused(tmp_path, "replays: {sessions: [{file: s.yaml}]}").startswith(
        "s.yaml:2:1: inptu: unknown key `inptu`"
    )
    (tmp_path / "loop.yaml").write_text("replays: {sessions: [{file: loop.yaml}]}", encoding="utf-8")
    assert "unknown key `replays`" in refused(tmp_path, "replays: {sessions: [{file: loop.yaml}]}")
