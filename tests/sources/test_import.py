"""`agent-replay import` with a source of another package: what every source has in common."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.cli import main
from pytest_agent_replay.formats.files import load_replays

SHOP = """
import time
from pathlib import Path

from pytest_agent_replay.sources.source import Source
from pytest_agent_replay.sources.spans import Agent, Model, RunSession, RunTrace, Span, Tool
from pytest_agent_replay.formats.replay import ErrorSpec


class Shop(Source):
    name = "shop"

    def add_arguments(self, parser):
        parser.add_argument("--count", type=int, default=3)
        parser.add_argument("--slow", type=float, default=0.0)

    def sessions(self, given, importing):
        importing.total = given.count
        for number in range(given.count):
            source = {"type": "shop", "thread_id": f"t{number}"}
            if importing.has(source):
                continue
            Path("fetched.txt").open("a").write(f"{number}\\n")
            time.sleep(given.slow)
            yield session(number, source)


def session(number, source):
    email = f"jane{number}@corp-mail.io"
    ask = {"role": "assistant", "content": None,
           "tool_calls": [{"id": "c", "name": "issue_refund", "args": {"email": email}}]}
    said = {"role": "user", "content": f"Refund me, I am {email}."}
    claims = {"role": "assistant", "content": "I have refunded $45.99 to you."}
    failed = {"role": "tool", "tool_call_id": "c", "content": "Error: gateway timeout"}
    spans = [
        Span("a", Model("gpt-4o", [said], answer=ask), started=1.0, ended=1.5),
        Span("b", Tool("issue_refund", {"email": email}), started=2.0, ended=2.5,
             error=ErrorSpec(type="shop.PaymentError", message=f"gateway timeout for {email}")),
        Span("c", Model("gpt-4o", [said, ask, failed], answer=claims), started=3.0, ended=3.5),
    ]
    if number == 1:
        spans = []
    if number == 8:
        secret = "sk-proj-" + "aB3dE6gH9j" * 5
        ask["tool_calls"][0].update(id=secret, name=f"{secret} jane@corp-mail.io")
        failed["tool_call_id"] = secret
        spans[0].what.finish_reason = spans[0].what.name = secret
        spans[1].what.name, spans[1].what.call_id = ask["tool_calls"][0]["name"], secret
        spans[1].error.type = secret
    if number == 9:
        return RunSession("jane\\x1b[31m\\ud800 sk-proj-" + "aB3dE6gH9j" * 5, [RunTrace("t", [])], source)
    return RunSession(f"thread {number}", [RunTrace("t", spans)], source, tags=["shop"])
"""

POINTS = "[pytest_agent_replay.sources]\nshop = shop_sessions:Shop\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a package with a source is installed."""
    site = tmp_path / "site"
    info = site / "shop_sessions-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "shop_sessions.py").write_text(SHOP)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-sessions\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.delitem(sys.modules, "shop_sessions", raising=False)
    return work


def run(*words: str) -> int:
    """The command."""
    return main(["import", "shop", *words])


def files(folder: Path) -> dict[str, bytes]:
    """The bytes of all files, by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_sessions_become_replay_files(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Into `replays/`; a session that cannot be imported is named, and the exit code says so."""
    assert run() == 1
    said = capsys.readouterr()
    assert said.out.startswith("2 replay files in replays: 2 turns, 2 tool calls (2 failed), 4 model answers\n")
    assert "not imported: thread 1: there is no model call" in said.err
    assert sorted(files(here / "replays")) == ["thread-0.replay.yaml", "thread-2.replay.yaml"]
    assert main(["validate", "replays"]) == 0


def test_personal_data_is_out_before_anything_is_written(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In inputs, arguments and errors alike by the same stand-in; `--no-redaction` leaves it."""
    run("--count", "1")
    text = (here / "replays" / "thread-0.replay.yaml").read_text()
    assert "corp-mail" not in text
    [loaded] = load_replays(here / "replays" / "thread-0.replay.yaml", root=here)
    [response] = loaded.replay.tool_responses
    stand_in = (response.args or {})["email"]
    assert loaded.replay.input == f"Refund me, I am {stand_in}."
    assert response.error_spec is not None
    assert response.error_spec.message == f"gateway timeout for {stand_in}"
    assert "redacted: " in capsys.readouterr().out
    assert (loaded.replay.import_ or {})["redacted"]
    run("--count", "1", "-o", "plain", "--no-redaction")
    assert "jane0@corp-mail.io" in (here / "plain" / "thread-0.replay.yaml").read_text()


def test_each_file_has_a_contract_that_is_red_on_the_original(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Proposed, or the one that is named."""
    run("--count", "1")
    assert "1 red on what production did" in capsys.readouterr().out
    [loaded] = load_replays(here / "replays" / "thread-0.replay.yaml", root=here)
    assert loaded.replay.contract["invariants"]
    assert not loaded.replay.golden
    run("--count", "1", "-o", "named", "--contract", "Shop", "--golden", "--add-tag", "x", "--agent", "shop:answer")
    [loaded] = load_replays(here / "named" / "thread-0.replay.yaml", root=here)
    assert (loaded.replay.contract, loaded.replay.golden, loaded.replay.agent) == ("Shop", True, "shop:answer")
    assert loaded.replay.tags == ["shop", "x"]
    run("--count", "1", "-o", "none", "--no-contract")
    [loaded] = load_replays(here / "none" / "thread-0.replay.yaml", root=here)
    assert loaded.replay.contract is None


def test_a_second_run_fetches_only_what_is_new(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And changes nothing of what is there."""
    run("--count", "1")
    before = files(here / "replays")
    assert run("--count", "4") == 1
    assert {name: files(here / "replays")[name] for name in before} == before
    assert "1 there already" in capsys.readouterr().out
    assert (here / "fetched.txt").read_text().split() == ["0", "1", "2", "3"]


def test_the_same_import_gives_the_same_bytes(here: Path) -> None:
    """Also into another folder."""
    run()
    run("-o", "again")
    assert files(here / "replays") == files(here / "again")


def test_an_import_can_be_killed_at_any_moment(here: Path) -> None:
    """No file is broken, and the next run goes on to the same result."""
    start = "import sys; from pytest_agent_replay.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", start, "import", "shop", "--count", "12", "-o", "killed"]
    for pause in (0.0, 0.15):
        process = subprocess.Popen([*command, "--slow", "0.03"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not (here / "killed").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for path in (here / "killed").glob("*.replay.yaml"):
            load_replays(path, root=here)
        for path in (here / "killed").glob(".*.tmp"):
            os.utime(path, (1, 1))
    subprocess.run(command, check=False, capture_output=True, timeout=60)
    run("--count", "12", "-o", "whole")
    assert files(here / "killed") == files(here / "whole")


def test_one_file_for_one_session(here: Path) -> None:
    """By the name that is given."""
    assert run("--count", "1", "-o", "incidents/refund.replay.yaml") == 0
    assert list(files(here / "incidents")) == ["refund.replay.yaml"]


def test_a_file_that_is_named_like_json_is_json(here: Path) -> None:
    """And replays; so it can be read again."""
    assert run("--count", "1", "-o", "refund.replay.json") == 0
    [loaded] = load_replays(here / "refund.replay.json", root=here)
    assert loaded.replay.tool_responses[0].tool == "issue_refund"
    before = (here / "refund.replay.json").read_bytes()
    json.loads(before)
    assert run("--count", "1", "-o", "refund.replay.json") == 0
    assert (here / "refund.replay.json").read_bytes() == before


def test_the_sources_are_listed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ours and those of other packages."""
    assert main(["import", "--help"]) == 0
    text = capsys.readouterr().out
    assert "langsmith" in text
    assert "from shop-sessions" in text
    assert main(["import"]) == 2


def test_a_source_that_is_not_there_is_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the nearest name; so is one that cannot be loaded."""
    points = here.parent / "site" / "shop_sessions-1.0.dist-info" / "entry_points.txt"
    points.write_text(POINTS + "broken = shop_sessions:Nowhere\n")
    assert main(["import", "shopp"]) == 2
    assert "did you mean `shop`?" in capsys.readouterr().err
    assert main(["import", "logfire", "nowhere.jsonl"]) == 2
    assert "nowhere.jsonl: it cannot be read" in capsys.readouterr().err, "it is another name for `otel`"
    assert main(["import", "broken"]) == 2
    assert "cannot be loaded" in capsys.readouterr().err


def test_a_file_is_recognised(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`auto` finds its source, or says that it does not know."""
    chat: list[Any] = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    (here / "a.json").write_text(json.dumps(chat))
    assert main(["import", "auto", "a.json", "-o", "out"]) == 0
    assert capsys.readouterr().out.startswith("openai-chat: a.json\n1 replay file in out")
    (here / "b.json").write_text('{"what": "ever"}')
    assert main(["import", "auto", "b.json"]) == 2
    assert "b.json: the file is of no source that is known" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["auto", "otel", "vapi", "retell", "langfuse", "openai-chat", "openai-agents"])
@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.json", gzip.compress(b"[]", mtime=0), "a.json: it is packed with gzip: unpack it first"),
        ("a.jsonl", gzip.compress(b"[]", mtime=0), "a.jsonl: it is packed with gzip: unpack it first"),
        ("a.jsonl", b"\n", "a.jsonl: the file is empty"),
        ("a.json", b"[" * 100_000, "a.json: it is nested too deeply to be read"),
        ("a.jsonl", b"[" * 100_000, "a.jsonl:1: it is nested too deeply to be read"),
    ],
)
def test_a_file_that_no_source_can_read(
    here: Path, capsys: pytest.CaptureFixture[str], source: str, name: str, content: bytes, text: str
) -> None:
    """Is said to be what it is."""
    (here / name).write_bytes(content)
    assert main(["import", source, name]) in (1, 2)
    assert text in capsys.readouterr().err


@pytest.mark.parametrize("source", ["vapi", "retell", "langfuse", "openai-chat", "otel", "mlflow", "weave"])
def test_a_file_without_a_session_is_no_success(here: Path, capsys: pytest.CaptureFixture[str], source: str) -> None:
    """An empty list is what an export leaves that went wrong."""
    (here / "a.json").write_text("[]")
    assert main(["import", source, "a.json"]) in (1, 2)
    assert "a.json: " in capsys.readouterr().err


def test_an_address_is_no_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is neither printed, for the sake of its password, nor sent anywhere as an id."""
    for source, hint in (
        ("mlflow", "--tracking-uri"), ("vapi", "--endpoint"), ("langsmith", "--endpoint"), ("phoenix", "--url"),
        ("openai-agents", "this source reads exported files"), ("auto", "this source reads exported files"),
    ):  # fmt: skip
        assert main(["import", source, "postgresql://joe:hunter2@db/mlflow"]) == 2
        said = capsys.readouterr().err
        assert "postgresql://… is an address, where a file is needed" in said
        assert hint in said
        assert "hunter2" not in said


def test_what_was_imported_can_be_run_at_once(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With `--run`; the exit code is pytest's."""
    (here / "conftest.py").write_text(
        "import pytest\n"
        "def issue_refund(email): raise RuntimeError('real')\n"
        "def answer(question):\n"
        "    try:\n        issue_refund(question.split()[-1].rstrip('.'))\n"
        "    except Exception:\n        return 'The refund failed.'\n"
        "@pytest.fixture\ndef replay_agent():\n    return answer\n"
    )
    (here / "pytest.ini").write_text("[pytest]\n")
    assert run("--count", "1", "--run") == 0
    assert "1 passed" in capfd.readouterr().out


def test_what_is_there_can_be_run_again(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is fetched for it, also of a session that is named by somebody's address."""
    source = here.parent / "site" / "shop_sessions.py"
    source.write_text(SHOP.replace('f"t{number}"', '"jane@corp-mail.io"'))
    run("--count", "1")
    assert "corp-mail" not in (here / "replays" / "thread-0.replay.yaml").read_text()
    (here / "fetched.txt").unlink()
    run("--count", "1", "--run")
    assert not (here / "fetched.txt").exists()
    assert "1 failed" in capfd.readouterr().out


def test_what_is_said_is_harmless(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters and half characters are spelled out, and secrets are not said."""
    run("--count", "10")
    said = capsys.readouterr().err
    odd = {"id": "c", "type": "function", "function": {"name": "send\x1b[31m", "arguments": "{}"}}
    chat: list[Any] = [{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": [odd]}]
    chat += [{"role": "tool", "tool_call_id": "c", "content": "ok"}, {"role": "assistant", "content": "Sent."}]
    (here / "odd.json").write_text(json.dumps(chat))
    assert main(["import", "openai-chat", "odd.json"]) == 0
    assert "\x1b" not in "".join(capsys.readouterr())
    assert "jane\\x1b[31m\\ud800" in said
    assert "aB3dE6gH9j" not in said


def test_names_hold_no_secrets_either(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of tools, models, errors and calls; a call and its run are still joined."""
    run("--count", "9")
    path = here / "replays" / "thread-8.replay.yaml"
    written = path.read_text() + "".join(capsys.readouterr())
    assert "aB3dE6gH9j" not in written
    assert "corp-mail" not in written
    [loaded] = load_replays(path, root=here)
    [response] = loaded.replay.tool_responses
    [call] = (loaded.replay.llm_responses or [])[0].tool_calls
    assert (response.tool, response.call_id) == (call.name, call.id)
    assert main(["validate", str(path)]) == main(["scan", str(path)]) == 0
