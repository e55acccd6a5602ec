"""`agent-replay scan`, `redact` and `prune`: what should not be in replay files, and when they go."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pytest_agent_replay.cli import main
from pytest_agent_replay.formats.files import load_replays
from pytest_agent_replay.formats.replay import RecordingRef
from pytest_agent_replay.llm.conversation import recorded_messages
from pytest_agent_replay.llm.digest import request_digests

KEY = "sk-proj-" + "a1B2c3D4" * 6
"""Of the form of a key, and none."""

REPLAY = """
id: {id}
input: I am jane@corp-mail.io, where is order 7?
tool_responses:
  - tool: lookup
    args: {{email: jane@corp-mail.io}}
    response: '{{"order": 7, "phone": "+1 415 555 2671"}}'
output: Order 7 is on its way.
contract: {{name: C, invariants: [{{type: completes}}]}}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str) -> Path:
    """Writes a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.lstrip("\n"))
    return path


# -- scan


def test_findings_have_their_places(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Line, column, field and kind; never the value itself."""
    write(here / "replays" / "a.replay.yaml", REPLAY.format(id="a"))
    assert main(["scan", "replays"]) == 1
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert [line.split(":")[:2] for line in lines] == [["replays/a.replay.yaml", n] for n in ("2", "5", "6")]
    assert "tool_responses[0].args.email: e-mail addresses" in lines[1]
    assert "corp-mail" not in said.out
    assert "2671" not in said.out
    assert "3 found in 1 file;" in said.err


def test_a_clean_folder_passes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 0."""
    write(here / "a.replay.yaml", "input: Where is order 7?\n")
    write(here / "shop.contract.yaml", "invariants: [{type: completes}]\n")
    write(here / "notes.txt", KEY)
    assert main(["scan", "."]) == 0
    assert capsys.readouterr().out == "nothing found in 2 files\n"


def test_any_file_can_be_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Logs, notes, and YAML that is broken."""
    write(here / "agent.log", f"start\nkey {KEY} used\n")
    write(here / "broken.yaml", f"a: [\n{KEY}\n")
    assert main(["scan", "agent.log", "broken.yaml"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("agent.log:2:13: ")
    assert lines[1].startswith("broken.yaml:2:9: ")


def test_comments_are_looked_through_too(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """People leave notes with keys in them."""
    write(here / "a.replay.yaml", f"input: Hi  # jane@corp-mail.io asked\n# {KEY}\nnotes: 'a # b'\n")
    assert main(["scan", "a.replay.yaml"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["a.replay.yaml:1:14:", "a.replay.yaml:2:11:"]


def test_rules_allow_what_is_nobodys(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In `pyproject.toml`; a wrong rule is an error."""
    write(here / "a.replay.yaml", "input: Write to help@shop-corp.com\n")
    assert main(["scan", "."]) == 1
    rules = write(here / "pyproject.toml", '[tool.agent-replay.redaction]\nallow = ["help@shop-corp.com"]\n')
    assert main(["scan", "."]) == 0
    rules.write_text('[tool.agent-replay.redaction]\nalow = ["x"]\n')
    assert main(["scan", "."]) == 2
    assert "did you mean `allow`?" in capsys.readouterr().err


# -- redact


def test_files_are_redacted_where_they_are(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Equal values stay equal, over all files; a second time there is nothing to do."""
    first = write(here / "a.replay.yaml", REPLAY.format(id="a"))
    second = write(here / "b.replay.yaml", REPLAY.format(id="b"))
    assert main(["redact", "."]) == 0
    said = capsys.readouterr().out
    assert "a.replay.yaml: e-mail addresses, phone numbers" in said
    [loaded] = load_replays(first, root=here)
    email = (loaded.replay.tool_responses[0].args or {})["email"]
    assert loaded.replay.input == f"I am {email}, where is order 7?"
    assert (loaded.replay.import_ or {})["redacted"]
    assert first.read_text().replace("id: a", "id: b") == second.read_text()
    assert main(["scan", "."]) == 0
    before = first.read_bytes()
    assert main(["redact", "."]) == 0
    assert first.read_bytes() == before


def test_it_can_be_asked_first(here: Path) -> None:
    """`--check` writes nothing, `-o` writes elsewhere."""
    path = write(here / "a.replay.yaml", REPLAY.format(id="a"))
    before = path.read_bytes()
    assert main(["redact", "--check", "a.replay.yaml"]) == 1
    assert main(["redact", "-o", "clean", "a.replay.yaml"]) == 0
    assert path.read_bytes() == before
    assert main(["scan", "clean"]) == 0


def test_files_of_one_name_stay_apart_elsewhere(here: Path) -> None:
    """`-o` keeps the folders below the one that all files have in common."""
    for name in ("a/x", "b/x", "b/c/x"):
        write(here / f"replays/{name}.replay.yaml", REPLAY.format(id=name.replace("/", "-")))
    assert main(["redact", "-o", "clean", "replays/a", "replays/b"]) == 0
    written = sorted(path.relative_to(here / "clean").as_posix() for path in (here / "clean").rglob("*.yaml"))
    assert written == ["a/x.replay.yaml", "b/c/x.replay.yaml", "b/x.replay.yaml"]
    assert main(["redact", "-o", "flat", "replays/b/c"]) == 0
    assert (here / "flat/x.replay.yaml").is_file()


def test_comments_are_not_lost_unasked(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file is written anew, and comments are no data."""
    path = write(here / "a.replay.yaml", "# from Tuesday\n" + REPLAY.format(id="a#1").lstrip("\n"))
    before = path.read_bytes()
    assert main(["redact", "a.replay.yaml"]) == 1
    assert "it has comments, which would be lost" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert main(["redact", "--force", "a.replay.yaml"]) == 0
    write(path, REPLAY.format(id='"a #1"'))
    assert main(["redact", "a.replay.yaml"]) == 0


@pytest.mark.parametrize("name", ["a.replay.yaml", "a.replay.JSON"])
def test_keys_of_ones_own_are_kept(here: Path, name: str) -> None:
    """And redacted like the rest; a JSON file stays one, however its name is written."""
    path = here / name
    path.write_text('{"x-owner": {"mail": "jane@corp-mail.io"}, "turns": [{"input": "jane@corp-mail.io", "x-n": 1}]}')
    assert main(["redact", name]) == 0
    data = yaml.safe_load(path.read_text())
    assert data["x-owner"]["mail"] == data["turns"][0]["input"] != "jane@corp-mail.io"
    assert data["turns"][0]["x-n"] == 1
    assert path.read_text().startswith("{") is name.endswith("JSON")
    assert main(["scan", name]) == 0


def test_recorded_answers_are_still_found_by_their_request(here: Path) -> None:
    """Their digests are those of the redacted conversation."""
    messages = [{"role": "user", "content": "I am jane@corp-mail.io."}]
    digest = request_digests(messages).messages
    write(
        here / "a.replay.yaml",
        "input: I am jane@corp-mail.io.\nllm_responses:\n"
        f'  - {{content: "Hello jane@corp-mail.io", request: {{messages: "{digest}"}}}}\n'
        "output: Hello jane@corp-mail.io\n",
    )
    assert main(["redact", "a.replay.yaml"]) == 0
    [loaded] = load_replays(here / "a.replay.yaml", root=here)
    [answer] = loaded.replay.llm_responses or []
    assert answer.request is not None
    assert answer.request.messages not in (None, digest)
    assert answer.request.messages == request_digests(recorded_messages(loaded.replay, RecordingRef(1, 0))).messages


def test_a_file_that_is_no_replay_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And the others are redacted."""
    write(here / "a.replay.yaml", "- 1\n")
    write(here / "b.replay.yaml", REPLAY.format(id="b"))
    assert main(["redact", "."]) == 1
    assert "not redacted: a.replay.yaml:1:1: it is no replay file" in capsys.readouterr().err
    assert main(["scan", "b.replay.yaml"]) == 0


# -- prune


def test_expired_files_are_deleted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And only these; `--dry-run` says which."""
    for name, expires in (("old", "2020-01-01"), ("new", "2999-01-01T00:00:00Z")):
        write(here / f"{name}.replay.yaml", f"input: Hi\nexpires: {expires}\n")
    write(here / "kept.replay.yaml", "input: Hi\n")
    write(here / "parent.replay.yaml", "input: Hi\nexpires: 2020-01-01\n")
    write(here / "fork.replay.yaml", "parent: ./parent.replay.yaml\ninput: Hello\n")
    assert main(["prune", "--dry-run", "."]) == 0
    assert "old.replay.yaml: would be deleted, it expired 2020-01-01" in capsys.readouterr().out
    assert len(list(here.glob("*.replay.yaml"))) == 5
    assert main(["prune", "."]) == 0
    assert "parent.replay.yaml: kept, another file names it as its parent" in capsys.readouterr().out
    assert not (here / "old.replay.yaml").exists()
    assert len(list(here.glob("*.replay.yaml"))) == 4


def test_a_file_that_cannot_be_read_is_not_deleted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named."""
    write(here / "a.replay.yaml", "input: [\nexpires: 2020-01-01\n")
    write(here / "b.replay.yaml", "input: Hi\nexpires: yesterday\n")
    write(here / "certificate.yaml", "expires: 2020-01-01\n")
    assert main(["prune", ".", "certificate.yaml"]) == 1
    assert (here / "certificate.yaml").exists()
    said = capsys.readouterr().err
    assert "not read: a.replay.yaml:" in said
    assert "not read: b.replay.yaml: `yesterday` is not an ISO date" in said
    assert len(list(here.glob("*.replay.yaml"))) == 2
