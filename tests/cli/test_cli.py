"""The commands of `agent-replay`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_agent_replay import __version__
from pytest_agent_replay.cli import main
from pytest_agent_replay.cli.init import FILES

REPLAY = "id: {id}\ninput: total of 7\ntool_responses: [{{tool: lookup, response: 1}}]\ncontract: {contract}\n"
CONTRACT = "name: Shop\ninvariants:\n  - {type: tool_called, tool: lookup}\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def apart(*words: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    without = ("randomly", "cacheprovider", "hypothesispytest", "langsmith_plugin")
    environment = {**os.environ, "PYTEST_ADDOPTS": " ".join(f"-p no:{name}" for name in without)}
    command = [sys.executable, "-c", "import sys; from pytest_agent_replay.cli import main; sys.exit(main())", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def test_help_loads_nothing_heavy() -> None:
    """It answers at once."""
    program = (
        "import sys; from pytest_agent_replay.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "print(sorted({'pydantic', 'yaml', 'pytest', 'jsonschema', 'asyncio', 'responses'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "validate" in output
    assert output.endswith("[]\n")


def test_version_and_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The version is printed; no command is wrong usage."""
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert main([]) == 2
    assert f"agent-replay {__version__}" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["nonsense"], ["schema", "trace"], ["validate"], ["import", "openai-chat"]])
def test_wrong_usage_exits_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """As argparse does it."""
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert "agent-replay" in capsys.readouterr().err


def test_an_output_that_cannot_show_every_letter(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pipes on Windows have it: letters that it lacks are shown as escapes, and a schema has none."""
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    (here / "ü.replay.yaml").write_text("input: x\n日本: 1\n", encoding="utf-8")
    result = apart("validate", "ü.replay.yaml")
    assert result.stdout.startswith("\\xfc.replay.yaml:2:1: \\u65e5\\u672c: unknown key")
    assert (result.returncode, result.stderr) == (1, "1 problem in 1 file\n")
    assert "Traceback" not in apart("import", "--help").stderr
    schema = apart("schema", "replay")
    assert schema.stderr == ""
    assert "…" in str(json.loads(schema.stdout))


# -- init and run


def test_what_init_writes_is_valid_and_runs_green_at_once(here: Path) -> None:
    """Its contract would have caught the incident, and passes with the agent that it writes."""
    assert main(["init"]) == 0
    assert sorted(path.name for path in (here / "replays").iterdir()) == sorted(FILES)
    assert main(["validate", "replays"]) == 0
    result = apart("run", "replays", "--replay-require-red", "--replay-json=out.json")
    assert result.returncode == 0, result.stdout
    assert "1 replay: 1 passed" in result.stdout
    assert json.loads((here / "out.json").read_text("utf-8"))["replays"][0]["reproduces"] == "yes"


def test_init_overwrites_nothing_without_force(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even one of the files."""
    (here / "conftest.py").write_text("mine")
    assert main(["init", "."]) == 2
    assert "conftest.py: exists already; nothing was written" in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["conftest.py"]
    assert main(["init", ".", "--force"]) == 0
    assert (here / "conftest.py").read_text("utf-8") == FILES["conftest.py"]


def test_init_quotes_what_it_says_to_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder's name with a space is one word of the command."""
    assert main(["init", "my replays"]) == 0
    assert 'Now run: pytest "my replays"' in capsys.readouterr().out


def test_run_passes_options_on_and_keeps_the_exit_code(here: Path) -> None:
    """Also as `replay run`."""
    main(["init"])
    assert apart("run", "replays", "-k", "nothing_of_that_name").returncode == pytest.ExitCode.NO_TESTS_COLLECTED
    assert apart("run", "replays", "--no-such-option").returncode == pytest.ExitCode.USAGE_ERROR
    failed = apart("replay", "run", "replays", "-q", "--replay-agent=builtins:str")
    assert failed.returncode == pytest.ExitCode.TESTS_FAILED
    assert "FAILED replays/order-service-down.replay.yaml::order-service-down" in failed.stdout.replace("\\", "/")


def test_run_takes_any_yaml_or_json_file_by_name(here: Path) -> None:
    """Whatever it is called, also with a node id."""
    main(["init"])
    os.rename(here / "replays/order-service-down.replay.yaml", here / "replays/incident.yaml")
    for word in ("replays/incident.yaml", "replays/incident.yaml::order-service-down"):
        result = apart("run", word, "-q")
        assert result.returncode == 0, result.stdout
        assert "1 passed" in result.stdout


# -- validate


def test_valid_files_are_counted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Replays and contracts of a folder, and files by name."""
    (here / "r").mkdir()
    (here / "r/a.replay.yaml").write_text(REPLAY.format(id="a", contract="Shop"))
    (here / "r/shop.contract.yaml").write_text(CONTRACT)
    (here / "r/unrelated.yaml").write_text("- 1\n")
    assert main(["validate", "r"]) == 0
    assert capsys.readouterr().out == "2 files are valid\n"
    assert main(["validate", "r/a.replay.yaml"]) == 0
    assert capsys.readouterr().out == "1 file is valid\n"


def test_every_problem_is_a_line_with_its_place(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of replay files, contracts, and the contract that a replay names."""
    (here / "a.replay.yaml").write_text(REPLAY.format(id="a", contract="Shoop"))
    (here / "b.replay.yaml").write_text("id: b\ninputt: 1\ntags: yes\n")
    (here / "c.replay.yaml").write_text(REPLAY.format(id="a", contract="Shop"))
    (here / "contracts.yaml").write_text(f"contracts:\n- {CONTRACT.replace(chr(10), chr(10) + '  ')}\n- name: Bad\n"
                                         "  invariants: [{type: contians}]\n")  # fmt: skip
    assert main(["validate", "."]) == 1
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "a.replay.yaml:4:1",
        "b.replay.yaml:2:1",
        "b.replay.yaml:3:1",
        "c.replay.yaml:1:1",
        "contracts.yaml:7:17",
    ]
    assert "did you mean" in lines[0]
    assert captured.err == "5 problems in 4 files\n"


def test_an_inline_contract_and_one_of_a_flakestorm_file_are_checked(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At their own lines."""
    (here / "a.replay.yaml").write_text(
        "id: a\ninput: x\ncontract:\n  invariants:\n    - {type: regex, pattern: '('}\n"
    )
    (here / "flakestorm.yaml").write_text(
        "version: '2.0'\nagent: {endpoint: 'x:y', type: python}\ncontract:\n  name: C\n"
        "  invariants:\n    - {type: contian, value: a}\n"
    )
    assert main(["validate", "."]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("a.replay.yaml:5:")
    assert lines[1].startswith("flakestorm.yaml:6:")


@pytest.mark.parametrize("words", [["nosuch"], ["."]])
def test_nothing_to_validate_is_wrong_usage(here: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A typing mistake must not look like success."""
    assert main(["validate", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[{}]", ":1:2: [0]: each contract of a list is a mapping with a `name`"),
        ("contracts: [{}]", ":1:13: contracts[0]: each contract of a list is a mapping with a `name`"),
        ("{contracts: [{name: x}], foo: 1}", ":1:26: foo: `foo` may not stand beside `contracts`"),
    ],
)
def test_a_contract_file_is_refused_as_by_a_replay_that_names_it(
    here: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    """The whole file counts, not only the contracts in it."""
    (here / "c.contract.yaml").write_text(text)
    assert main(["validate", "c.contract.yaml"]) == 1
    assert capsys.readouterr().out == f"c.contract.yaml{said}\n"


# -- schema


@pytest.mark.parametrize("name", ["replay", "contract"])
def test_schemas_are_schemas_and_accept_what_init_writes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And refuse a misspelled key or type."""
    import yaml
    from jsonschema import Draft202012Validator

    assert main(["schema", name]) == 0
    schema = json.loads(capsys.readouterr().out)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    file = "order-service-down.replay.yaml" if name == "replay" else "order_agent.contract.yaml"
    data = yaml.safe_load(FILES[file])
    assert list(validator.iter_errors(data)) == []
    wrong = {**data, "inputt": 1} if name == "replay" else {**data, "invariants": [{"type": "contians"}]}
    assert list(validator.iter_errors(wrong))


# -- import


def test_transcripts_become_replay_files(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what was guessed and lost on the screen; what is there is left alone without `--force`."""
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello, how can I help?"}]
    (here / "chat.json").write_text(json.dumps(messages))
    words = ["import", "openai-chat", "chat.json", "-o", "out", "--tag", "t", "--golden"]
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("1 replay file in out: 1 turn, 0 tool calls")
    assert main(["validate", "out"]) == 0
    assert main(words) == 0
    assert "0 replay files in out" in capsys.readouterr().out
    (here / "out" / "chat.replay.yaml").write_text((here / "out" / "chat.replay.yaml").read_text() + "notes: mine\n")
    (here / "out" / "chat.replay.yaml").rename(here / "out" / "mine.replay.yaml")
    assert main([*words, "--tag", "another"]) == 0
    assert "; 1 there already (edited since)\n" in capsys.readouterr().out
    assert "notes: mine" in (here / "out" / "mine.replay.yaml").read_text()
    assert main([*words, "--force"]) == 0
    assert "notes: mine" not in (here / "out" / "mine.replay.yaml").read_text()


def test_a_file_that_is_not_of_the_session_is_left_alone(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And said: also one of a session by the same name in a file by the same name, or that has grown."""
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello, how can I help?"}]
    (here / "chat.json").write_text(json.dumps(messages))
    words = ["import", "openai-chat", "chat.json", "-o"]
    assert main([*words, "out"]) == 0
    (here / "chat.json").write_text(json.dumps([*messages, *messages]))
    assert main([*words, "out"]) == 1
    assert "the session in the source is another than when this file was imported" in capsys.readouterr().err
    (here / "chat.json").rename(here / "other.json")
    assert main(["import", "openai-chat", "other.json", "-o", "out/chat.replay.yaml"]) == 1
    assert "the file is of another session; it was left as it is" in capsys.readouterr().err


def test_a_file_that_cannot_be_imported_is_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a traceback."""
    assert main(["import", "openai-chat", "nosuch.json", "-o", "out"]) == 2
    assert "nosuch.json" in capsys.readouterr().err
    (here / "chat.json").write_text("[")
    assert main(["import", "openai-chat", "chat.json", "-o", "out"]) == 2
