"""LangSmith: what is asked of its server, and the sessions that its runs become."""

from __future__ import annotations

import json
import re
import uuid
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.errors import FormatError, ReplayError
from pytest_agent_replay.formats.replay import ErrorSpec, ReplayFile, Turn
from pytest_agent_replay.sources.building import build_session
from pytest_agent_replay.sources.json_files import Sample
from pytest_agent_replay.sources.langsmith import LangSmith
from pytest_agent_replay.sources.session import SessionProblem
from pytest_agent_replay.sources.source import Importing
from pytest_agent_replay.sources.spans import Model, RunSession
from pytest_agent_replay.sources.writer import ImportReport, Wishes, import_sessions

from .langsmith_server import KEY, WORKSPACE, LangSmithServer, VirtualTime

SAMPLES = Path(__file__).parents[3] / "shared" / "data" / "traces" / "langsmith"
START = datetime(2026, 3, 1, 9, 0, tzinfo=timezone.utc)
ERROR = (
    "PaymentError('card 4242 declined')\n\nTraceback (most recent call last):\n"
    '  File "shop.py", line 3, in f\nshop.PaymentError: card 4242 declined\n'
)
BOTH = pytest.mark.parametrize("api", ["v1", "v2"])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LangSmithServer]:
    """A server, and the environment that finds it."""
    for name in ("ENDPOINT", "API_KEY", "WORKSPACE_ID", "PROJECT"):
        monkeypatch.delenv(f"LANGCHAIN_{name}", raising=False)
        monkeypatch.delenv(f"LANGSMITH_{name}", raising=False)
    with LangSmithServer() as server:
        monkeypatch.setenv("LANGSMITH_ENDPOINT", server.url)
        monkeypatch.setenv("LANGSMITH_API_KEY", KEY)
        yield server


def id_of(name: str) -> str:
    """The id of the run with that name in these tests."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


class Trace:
    """Runs of one trace, one after the other."""

    def __init__(
        self, server: LangSmithServer, name: str, *, project: str = "shop", at: datetime = START, **root: Any
    ) -> None:
        self.server, self.name, self.project, self.now = server, name, project, at
        server.project(project)
        self.id = id_of(name)
        self.orders: dict[str, str] = {}
        self.run("root", "chain", None, took=60.0, **root)

    def run(self, name: str, kind: str, parent: str | None = "root", *, took: float = 0.01, **fields: Any) -> str:
        """A run below another; gives its id."""
        run_id = self.id if parent is None else id_of(f"{self.name}/{name}")
        self.now += timedelta(milliseconds=1)
        stamp = self.now.strftime("%Y%m%dT%H%M%S%fZ") + run_id
        order = stamp if parent is None else f"{self.orders[parent]}.{stamp}"
        self.orders[name] = order
        parent_id = None if parent is None else order.split(".")[-2][-36:]
        ended = None if fields.pop("pending", False) else (self.now + timedelta(seconds=took)).isoformat()
        self.server.add(
            run_id,
            **{"name": name, "session_name": self.project, **fields},
            run_type=kind,
            trace_id=self.id,
            parent_run_id=parent_id,
            dotted_order=order,
            start_time=self.now.isoformat(),
            end_time=ended,
        )
        self.now += timedelta(seconds=took if parent is not None else 0)
        return run_id


def said(text: str) -> dict[str, Any]:
    """A user's message."""
    return {"role": "user", "content": text}


def asks(*calls: tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
    """An answer of the model with calls of (id, name, arguments)."""
    listed = [{"id": i, "type": "function", "function": {"name": n, "arguments": json.dumps(a)}} for i, n, a in calls]
    return {"role": "assistant", "content": None, "tool_calls": listed}


def answered(message: dict[str, Any]) -> dict[str, Any]:
    """A response of OpenAI's API."""
    reason = "tool_calls" if message.get("tool_calls") else "stop"
    usage = {"input_tokens": 12, "output_tokens": 3, "total_tokens": 15}
    return {"choices": [{"index": 0, "finish_reason": reason, "message": message}], "usage_metadata": usage}


def turn(server: LangSmithServer, name: str, text: str, answer: str, **root: Any) -> Trace:
    """A turn without tools."""
    trace = Trace(server, name, inputs={"text": text}, outputs={"output": answer}, **root)
    reply = answered({"role": "assistant", "content": answer})
    trace.run("model", "llm", inputs={"messages": [said(text)], "model": "gpt-4o-mini"}, outputs=reply)
    return trace


def of_thread(thread_id: str, **more: Any) -> dict[str, Any]:
    """What a run says about its thread."""
    return {"extra": {"metadata": {"thread_id": thread_id, **more}}}


def refund(server: LangSmithServer, thread: str = "t-1", *, project: str = "shop", at: datetime = START) -> list[Trace]:
    """Two turns: a refund that fails and is said to be done, and the refund."""
    system = {"role": "system", "content": "You refund."}
    first = Trace(
        server,
        f"{thread}/1",
        project=project,
        at=at,
        inputs={"messages": [system, said("Refund O-1, I am C-7.")]},
        outputs={"output": "It is refunded."},
        tags=["prod", "seq:step:1"],
        **of_thread(thread, customer_tier="gold", LANGSMITH_PROJECT=project, revision_id="abc"),
    )
    history = [system, said("Refund O-1, I am C-7.")]
    lookup = asks(("c1", "get_order", {"order_id": "O-1"}), ("c2", "get_customer", {"customer_id": "C-7"}))
    pay = asks(("c3", "issue_refund", {"order_id": "O-1", "cents": 4599}))
    found = [
        {"role": "tool", "tool_call_id": "c1", "content": '{"cents": 4599}'},
        {"role": "tool", "tool_call_id": "c2", "content": '{"name": "Jo"}'},
    ]
    failed = {"role": "tool", "tool_call_id": "c3", "content": "the refund failed"}
    done = {"role": "assistant", "content": "It is refunded."}
    tools = [
        {"type": "function", "function": {"name": "get_order", "parameters": {"type": "object", "properties": {}}}}
    ]

    def model(trace: Trace, name: str, messages: list[dict[str, Any]], answer: dict[str, Any]) -> None:
        request = {"messages": messages, "model": "gpt-4o-mini", "tools": tools, "temperature": 0.5}
        trace.run(name, "llm", inputs=request, outputs=answered(answer), prompt_tokens=12)

    model(first, "model 1", history, lookup)
    first.run("tools", "chain")
    first.run("get_order", "tool", "tools", inputs={"order_id": "O-1"}, outputs={"cents": 4599})
    first.run("get_customer", "tool", "tools", inputs={"customer_id": "C-7"}, outputs={"name": "Jo"})
    model(first, "model 2", [*history, lookup, *found], pay)
    args = {"order_id": "O-1", "cents": 4599, "retry": False}
    first.run("issue_refund", "tool", "tools", inputs=args, outputs={"output": None}, error=ERROR)
    model(first, "model 3", [*history, lookup, *found, pay, failed], done)

    history = [*history, lookup, *found, pay, failed, done, said("I see no refund.")]
    second = Trace(
        server,
        f"{thread}/2",
        project=project,
        at=at + timedelta(hours=30),
        inputs={"messages": history},
        outputs={"output": "Now it is."},
        tags=["prod"],
        **of_thread(thread, customer_tier="gold"),
    )
    again = asks(("c1", "issue_refund", {"order_id": "O-1", "cents": 4599, "retry": True}))
    model(second, "model 1", history, again)
    second.run("issue_refund", "tool", inputs={**args, "retry": True}, outputs={"output": "RF-9"})
    told = {"role": "tool", "tool_call_id": "c1", "content": "RF-9"}
    model(second, "model 2", [*history, again, told], {"role": "assistant", "content": "Now it is."})
    return [first, second]


def given(*words: str) -> Namespace:
    """Parsed options."""
    source, parser = LangSmith(), ArgumentParser()
    source.add_arguments(parser)
    return parser.parse_args(words)


def runs(*words: str, importing: Importing | None = None, time: VirtualTime | None = None) -> list[RunSession]:
    """What the source yields."""
    time = time or VirtualTime()
    source = LangSmith(sleep=time.sleep, clock=time)
    return list(source.sessions(given(*words), importing or Importing()))


def sessions(*words: str, importing: Importing | None = None) -> list[ReplayFile]:
    """The sessions as they come into files."""
    return [build_session(run).replay for run in runs(*words, importing=importing)]


def ids(*words: str) -> list[str]:
    """The ids of what is found."""
    return [run.id for run in runs(*words)]


def into(folder: Path, *words: str) -> ImportReport:
    """An import into a folder."""
    time = VirtualTime()
    return import_sessions(LangSmith(sleep=time.sleep, clock=time), given(*words), folder, Wishes(propose=False))


def calls(turn: Turn) -> list[tuple[str, Any, Any]]:
    """Tool, arguments, and response or error type of each call."""
    return [(r.tool, r.args, r.error_spec.type if r.error_spec else r.response) for r in turn.tool_responses]


def raised_by(error: Any) -> str | None:
    """The type of a recorded error."""
    assert isinstance(error, ErrorSpec)
    return error.type


def is_refund(replay: ReplayFile) -> None:
    """Checks that it is the refund conversation."""
    first, second = replay.turn_list
    assert [first.input, second.input] == ["Refund O-1, I am C-7.", "I see no refund."]
    assert [first.output, second.output] == ["It is refunded.", "Now it is."]
    assert calls(first) == [
        ("get_order", {"order_id": "O-1"}, {"cents": 4599}),
        ("get_customer", {"customer_id": "C-7"}, {"name": "Jo"}),
        ("issue_refund", {"order_id": "O-1", "cents": 4599}, "shop.PaymentError"),
    ]
    assert calls(second) == [("issue_refund", {"order_id": "O-1", "cents": 4599, "retry": True}, "RF-9")]


# -- runs and threads


@BOTH
@pytest.mark.parametrize("run", ["t-1/1", "t-1/2", "t-1/1/issue_refund"])
def test_any_run_brings_its_whole_thread(server: LangSmithServer, api: str, run: str) -> None:
    """The id of a root run, of any turn or of a run inside gives the conversation, though it lasted for days."""
    refund(server)
    turn(server, "other", "Hello?", "Hi.")
    (replay,) = sessions(id_of(run), "--api", api, "--project", "shop")
    is_refund(replay)


@BOTH
def test_a_thread_by_its_id(server: LangSmithServer, api: str) -> None:
    """`--thread` is repeatable, and gives them in that order."""
    refund(server, "t-1")
    turn(server, "x", "Hello?", "Hi.", **of_thread('odd "id" / 1'))
    found = sessions("--thread", 'odd "id" / 1', "--thread", "t-1", "--api", api, "--project", "shop")
    assert found[0].input == "Hello?"
    is_refund(found[1])


@BOTH
def test_pages_are_read_to_the_end(server: LangSmithServer, api: str) -> None:
    """Listings, threads and trees that are longer than a page are whole."""
    server.page = 2
    refund(server)
    (replay,) = sessions("--thread", "t-1", "--api", api, "--project", "shop")
    is_refund(replay)
    for number in range(25):
        turn(server, f"n{number}", "Hello?", "Hi.", at=START + timedelta(minutes=number))
    assert len(ids("--project", "shop", "--api", api, "--select-all")) == 26


def test_what_is_known_about_a_session(server: LangSmithServer) -> None:
    """Tags and metadata are those of the user; the tracer's own are left out."""
    refund(server)
    (replay,) = sessions("--thread", "t-1", "--project", "shop")
    assert (replay.tags, replay.metadata) == (["prod"], {"customer_tier": "gold"})
    assert replay.captured_at == "2026-03-01T09:00:00.001Z"
    assert replay.agent_config == {"model": "gpt-4o-mini", "temperature": 0.5, "system_prompt": "You refund."}
    answers = replay.turn_list[0].llm_responses or []
    assert [a.usage.input_tokens for a in answers if a.usage] == [12, 12, 12]
    assert [a.finish_reason for a in answers] == ["tool_calls", "tool_calls", "stop"]
    assert replay.turn_list[0].tool_responses[2].latency_ms == 10.0


def test_a_session_says_where_it_is_from(server: LangSmithServer) -> None:
    """The block names what finds it again, and the address in the browser."""
    refund(server)
    (run,) = runs("--thread", "t-1", "--project", "shop")
    first, second = id_of("t-1/1"), id_of("t-1/2")
    url = f"{server.url}/o/{WORKSPACE}/projects/p/{server.project('shop')}/r/{first}"
    assert run.source == {
        "type": "langsmith",
        "project": "shop",
        "thread_id": "t-1",
        "run_ids": [first, second],
        "url": url,
    }


@BOTH
def test_a_trace_by_itself(server: LangSmithServer, api: str) -> None:
    """`--as trace` imports that turn alone; what was said before is its context."""
    refund(server)
    (replay,) = sessions(id_of("t-1/2"), "--as", "trace", "--api", api, "--project", "shop")
    assert calls(replay.turn_list[0])[0][0] == "issue_refund"
    assert replay.input == "I see no refund."
    assert [m["role"] for m in replay.context][-1] == "assistant"


def test_a_run_that_is_not_there(server: LangSmithServer) -> None:
    """It is a problem of its own; the others are imported."""
    turn(server, "x", "Hello?", "Hi.")
    importing = Importing()
    found = sessions(id_of("gone"), id_of("x"), importing=importing)
    assert [replay.input for replay in found] == ["Hello?"]
    assert id_of("gone") in importing.problems[0]


def test_the_address_in_the_browser(server: LangSmithServer) -> None:
    """It names the project, which a server of the second generation needs."""
    server.flags = {"sdb_query_enabled": True, "ch_query_enabled": False}
    server.generations = {"v2"}
    refund(server)
    (run,) = runs("--thread", "t-1", "--project", "shop")
    (again,) = sessions(f"{run.source['url']}?poll=true")
    is_refund(again)
    with pytest.raises(ReplayError, match="give --project NAME, or the run's address"):
        runs(id_of("t-1/1"))
    with pytest.raises(ReplayError, match="names no run"):
        runs(f"{server.url}/o/{WORKSPACE}/projects/p/{server.project('shop')}")


# -- which endpoints


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, "/runs/query"),
        ({"ch_query_enabled": True}, "/runs/query"),
        ({"ch_query_enabled": True, "sdb_query_enabled": True}, "/api/v2/runs/query"),
        ({"ch_query_enabled": False, "sdb_query_enabled": True}, "/api/v2/runs/query"),
    ],
)
def test_the_server_says_which_endpoints_it_has(server: LangSmithServer, flags: dict[str, bool], expected: str) -> None:
    """Without `--api`, the flags of `/info` decide."""
    server.flags = flags
    refund(server)
    assert ids("--project", "shop", "--select-all") == ["t-1"]
    assert server.asked(expected)
    assert not server.asked({"/runs/query": "/api/v2/runs/query"}.get(expected, "/runs/query"))


def test_a_run_without_its_project_on_a_server_with_both(server: LangSmithServer) -> None:
    """The first generation finds it, the second reads its thread."""
    server.flags = {"sdb_query_enabled": True}
    refund(server)
    is_refund(*sessions(id_of("t-1/1")))
    assert server.asked("/api/v2/traces/.*")


@pytest.mark.parametrize(("api", "other"), [("v1", "v2"), ("v2", "v1")])
def test_endpoints_that_are_not_there(server: LangSmithServer, api: str, other: str) -> None:
    """The error says which to try."""
    server.generations = {other}
    server.project("shop")
    with pytest.raises(ReplayError, match=f"was answered by 404.*try the other endpoints: --api {other}"):
        runs("--project", "shop", "--api", api)


@BOTH
@pytest.mark.parametrize("base", ["/api", "/api/v1"])
def test_an_endpoint_with_a_path(server: LangSmithServer, api: str, base: str) -> None:
    """That of a self-hosted server ends in `/api` or `/api/v1`; the second generation stands beside."""
    server.base = base
    refund(server)
    is_refund(*sessions("--thread", "t-1", "--project", "shop", "--api", api, "--endpoint", f"{server.url}{base}/"))


def test_a_server_whose_filters_take_no_lists(server: LangSmithServer) -> None:
    """Then each trace is asked for by itself."""
    server.takes_lists = False
    refund(server)
    is_refund(*sessions("--thread", "t-1", "--project", "shop"))


# -- projects


def shop(server: LangSmithServer) -> None:
    """A project with all kinds of runs, a minute apart, the newest last."""
    kinds: dict[str, dict[str, Any]] = {
        "fine": {},
        "broken": {"error": "ValueError('no')"},
        "tagged": {"tags": ["beta", "x"]},
        "hidden": {},
        "disliked": {},
        "praised": {},
    }
    for number, (name, root) in enumerate(kinds.items()):
        at = START + timedelta(minutes=number)
        trace = Trace(server, name, at=at, inputs={"text": "?"}, outputs={"output": "!"}, **root)
        if name == "hidden":
            trace.run("charge", "tool", inputs={}, error=ERROR)
    server.say(id_of("disliked"), "user_score", score=0, comment="It is wrong.")
    server.say(id_of("praised"), "user_score", score=1)
    server.say(id_of("praised"), "tone", value="warm")


@BOTH
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", "praised disliked hidden tagged broken fine"),
        ("--filter-status all", "praised disliked hidden tagged broken fine"),
        ("--filter-status error", "broken"),
        ("--filter-status success", "praised disliked hidden tagged fine"),
        ("--tool-errors", "hidden"),
        ("--tag beta", "tagged"),
        ("--tag beta --tag y", ""),
        ("--feedback user_score=0", "disliked"),
        ("--feedback user_score=true", "praised"),
        ("--feedback user_score", "praised disliked"),
        ("--feedback tone=warm", "praised"),
        ("--feedback tone=warm --feedback user_score=0", ""),
        ("--since 2026-03-01T09:04Z", "praised disliked"),
        ("--until 2026-03-01T10:02:00+01:00", "broken fine"),
        ("--since 2026-03-01T09:04Z --until 2026-03-01T09:05Z", "disliked"),
        ("--since 2026-03-02", ""),
        ("--since 24h", ""),
        ('--filter neq(name,"root")', ""),
        ('--filter or(has(tags,"beta"),eq(status,"error"))', "tagged broken"),
        ('--tag beta --filter has(tags,"x")', "tagged"),
        ("--limit 2", "praised disliked"),
    ],
)
def test_the_runs_of_a_project(server: LangSmithServer, api: str, words: str, expected: str) -> None:
    """Each option chooses, all together; the newest come first, whatever their age."""
    shop(server)
    names = {id_of(name): name for name in ("fine", "broken", "tagged", "hidden", "disliked", "praised")}
    assert [names[i] for i in ids("--project", "shop", "--api", api, *words.split())] == expected.split()


@BOTH
def test_slow_runs(server: LangSmithServer, api: str) -> None:
    """`--min-latency-ms` is of the root run."""
    for name, seconds in (("quick", 1.4), ("slow", 1.6)):
        end = (START + timedelta(seconds=seconds)).isoformat()
        trace = turn(server, name, "?", "!")
        server.add(trace.id, start_time=START.isoformat(), end_time=end)
    assert ids("--project", "shop", "--api", api, "--min-latency-ms", "1500") == [id_of("slow")]


@BOTH
def test_a_filter_brings_whole_threads(server: LangSmithServer, api: str) -> None:
    """One failed turn is imported with the others of its thread; each thread once."""
    refund(server, "t-1")
    refund(server, "t-2", at=START + timedelta(days=2))
    found = sessions("--project", "shop", "--tool-errors", "--api", api)
    assert [replay.turn_list[0].started_at for replay in found] == [
        "2026-03-03T09:00:00.001Z",
        "2026-03-01T09:00:00.001Z",
    ]
    for replay in found:
        is_refund(replay)
    assert len(ids("--project", "shop", "--tool-errors", "--as", "trace", "--api", api)) == 2


def test_a_default_of_the_newest_hundred(server: LangSmithServer) -> None:
    """Without `--limit` and `--select-all` a hundred sessions are taken, and it is said that there are more."""
    for number in range(101):
        turn(server, f"n{number}", "?", "!", at=START + timedelta(minutes=number))
    importing = Importing()
    found = runs("--project", "shop", importing=importing)
    assert (len(found), found[0].id, importing.total) == (100, id_of("n100"), 100)
    assert importing.notes == [
        "the newest 100 of `shop` were taken, and there are more; --limit N or --select-all imports more"
    ]
    importing = Importing()
    assert len(runs("--project", "shop", "--select-all", importing=importing)) == 101
    assert importing.notes == []


def test_a_project_of_a_thousand_runs_within_the_limits(server: LangSmithServer) -> None:
    """Trees are asked for several at a time, threads that were listed not again, and the limit is kept.

    In virtual time threads can be late by a whole window, which the server refuses now and then.
    """
    time = VirtualTime()
    server.clock = time
    for number in range(1000):
        at = START + timedelta(minutes=number)
        turn(server, f"n{number}", f"Question {number}", "!", at=at, **of_thread(f"t{number // 2}"))
    found = runs("--project", "shop", "--select-all", time=time)
    assert len(found) == 500
    assert all(len(run.traces) == 2 and len(run.traces[0].spans) == 2 for run in found)
    assert 10 + 100 <= len(server.asked("/runs/query")) <= 10 + 100 + 40
    assert 60 < time.now < 300, "110 queries, 15 in 10 s"


def test_a_project_that_is_not_there(server: LangSmithServer) -> None:
    """The error names it, and what to set."""
    with pytest.raises(ReplayError, match="no project `shop` that this key may read; set LANGSMITH_API_KEY"):
        runs("--project", "shop")


def test_a_project_without_such_runs(server: LangSmithServer) -> None:
    """It is said that nothing was found."""
    turn(server, "x", "?", "!")
    importing = Importing()
    assert runs("--project", "shop", "--filter-status", "error", importing=importing) == []
    assert importing.notes == ["nothing in `shop` is what was asked for"]


# -- limits, faults, and going on


def test_waits_as_long_as_the_server_wants(server: LangSmithServer, capsys: pytest.CaptureFixture[str]) -> None:
    """A query that is refused by 429 is asked again after `retry-after`, and this is said."""
    refund(server)
    server.faults.extend([(429, {"retry-after": "7"}), (503, {})])
    time = VirtualTime()
    (run,) = runs("--thread", "t-1", "--project", "shop", time=time)
    is_refund(build_session(run).replay)
    assert time.slept[:2] == [7.0, 2.0]
    assert "was answered by 429 (" in capsys.readouterr().err


def test_a_stopped_import_goes_on(server: LangSmithServer, tmp_path: Path) -> None:
    """What was written is not fetched again; what is new since, is."""
    for number in range(30):
        turn(server, f"n{number}", f"Question {number}", "!", at=START + timedelta(minutes=number))
    words = ("--project", "shop", "--select-all")
    server.before = lambda path: server.faults.extend([(403, {})] * (len(server.asked("/runs/query")) >= 4))
    with pytest.raises(ReplayError, match="refuses the key"):
        into(tmp_path, *words)
    server.before = lambda path: None
    server.faults.clear()
    there = len(list(tmp_path.iterdir()))
    assert 0 < there < 30
    server.log.clear()
    report = into(tmp_path, *words)
    assert (report.unchanged, len(report.written), report.problems) == (there, 30 - there, [])
    asked = " ".join(str(body.get("filter")) for body in server.asked("/runs/query"))
    assert len(re.findall(r"[0-9a-f]{8}-", asked)) == 30 - there


def test_an_import_twice_gives_the_same_files(server: LangSmithServer, tmp_path: Path) -> None:
    """The bytes are equal, over both generations; run again, nothing is fetched."""
    refund(server)
    shop(server)
    for name in ("a", "b"):
        into(tmp_path / name, "--project", "shop", "--select-all")
    into(tmp_path / "c", "--project", "shop", "--select-all", "--api", "v2")
    files = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "abc"]
    assert files[0] == files[1] == files[2]
    assert len(files[0]) == 7
    again = into(tmp_path / "a", "--project", "shop", "--select-all")
    assert (again.written, again.unchanged) == ([], 7)


def test_a_thread_that_has_grown_is_imported_again(server: LangSmithServer, tmp_path: Path) -> None:
    """It is another session than before; the old file stays."""
    turn(server, "one", "First?", "1", **of_thread("t"))
    into(tmp_path, "--thread", "t", "--project", "shop")
    turn(server, "two", "Second?", "2", at=START + timedelta(minutes=1), **of_thread("t"))
    report = into(tmp_path, "--thread", "t", "--project", "shop")
    assert len(report.written) == 1
    assert len(list(tmp_path.iterdir())) == 2


def test_the_key_is_nowhere(server: LangSmithServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in files, and not in what is said about a key that is refused."""
    refund(server)
    into(tmp_path, "--thread", "t-1", "--project", "shop")
    assert all(KEY not in path.read_text(encoding="utf-8") for path in tmp_path.iterdir())
    monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2_wrong_key")
    with pytest.raises(ReplayError, match=r"refuses the key.*set LANGSMITH_API_KEY") as caught:
        runs("--thread", "t-1", "--project", "shop")
    assert "lsv2_wrong_key" not in str(caught.value)


# -- what runs become


@BOTH
def test_feedback(server: LangSmithServer, api: str) -> None:
    """It becomes scores of its turn, and says what was wrong; comments that blame nothing are remarks."""
    refund(server)
    first, second = id_of("t-1/1"), id_of("t-1/2")
    server.say(first, "user_score", score=0, comment="No refund came.")
    server.say(second, "user_score", score=1, comment="Thanks!")
    server.say(id_of("t-1/1/model 3"), "grounded", score=0.0)
    server.say(first, "kind", value="refund")
    (replay,) = sessions("--thread", "t-1", "--project", "shop", "--api", api)
    assert [turn.scores for turn in replay.turn_list] == [
        {"user_score": 0, "kind": "refund", "model 3: grounded": 0.0},
        {"user_score": 1},
    ]
    assert replay.expected_failure == "No refund came."
    assert replay.notes == "user_score: Thanks!"
    assert len(server.asked("/feedback")) == 1


def test_feedback_of_a_server_that_tells_summaries_alone(server: LangSmithServer) -> None:
    """Then the averages are the scores."""
    server.missing = {"/feedback"}
    trace = turn(server, "x", "?", "!")
    server.say(trace.id, "user_score", score=0.5)
    (replay,) = sessions(trace.id)
    assert replay.scores == {"user_score": 0.5}


def test_a_run_that_has_not_ended(server: LangSmithServer, tmp_path: Path) -> None:
    """It is said, and the import takes it again when it has ended."""
    trace = turn(server, "x", "?", "!")
    ended = server.take_away(trace.id, "end_time")
    report = into(tmp_path, trace.id)
    assert [note for note in report.notes if "had not ended" in note]
    server.add(trace.id, end_time=ended)
    assert len(into(tmp_path, trace.id).written) == 1


def test_large_inputs_are_fetched_without_the_key(server: LangSmithServer) -> None:
    """What LangSmith keeps apart lies under a signed address, which may be on another host."""
    trace = Trace(server, "x", outputs={"output": "!"})
    model = trace.run("model", "llm", outputs=answered({"role": "assistant", "content": "!"}))
    server.stored = {f"{trace.id}.inputs": {"text": "long"}, f"{model}.inputs": {"messages": [said("long")]}}
    (replay,) = sessions(trace.id, "--api", "v1")
    assert replay.input == "long"
    assert len(server.downloads) == 2
    assert all("x-api-key" not in headers for headers in server.downloads)


def test_large_inputs_that_are_gone(server: LangSmithServer) -> None:
    """Then they are lost, not empty, and the address is not shown with its signature."""
    trace = turn(server, "x", "?", "!")
    tool = trace.run("look", "tool", outputs={"output": 1})
    server.stored = {f"{tool}.inputs": "no mapping"}
    importing = Importing()
    (run,) = runs(trace.id, "--api", "v1", importing=importing)
    found = build_session(run)
    assert calls(found.replay.turn_list[0]) == [("look", None, 1)]
    assert "inputs or outputs that LangSmith keeps apart and that could not be fetched" in found.notes.lost
    assert "s3cret" not in str(importing.notes)


def test_hidden_inputs_and_outputs(server: LangSmithServer) -> None:
    """A tracer that was told to hide them writes empty mappings, which are no values."""
    trace = Trace(server, "x", inputs={}, outputs={})
    trace.run("model", "llm", inputs={}, outputs={})
    trace.run("look", "tool", inputs={}, outputs={})
    (run,) = runs(trace.id)
    assert any("left them out" in kind for kind in run.notes.lost)
    with pytest.raises(SessionProblem, match="what the user said is not in the source"):
        build_session(run)


def test_a_tool_without_arguments_and_result(server: LangSmithServer) -> None:
    """An empty mapping is a value where the tracer hides nothing."""
    trace = turn(server, "x", "?", "!")
    trace.run("ping", "tool", inputs={}, outputs={})
    (replay,) = sessions(trace.id)
    assert calls(replay.turn_list[0]) == [("ping", {}, {})]


def test_langchain_tool_messages(server: LangSmithServer) -> None:
    """The message around a tool's result is taken off; its status tells of a failure, and its id of the call."""
    trace = turn(server, "x", "?", "!")
    message = {"content": "not found", "type": "tool", "name": "look", "tool_call_id": "c9", "status": "error"}
    trace.run("look", "tool", inputs={"key": "a"}, outputs={"output": message})
    (replay,) = sessions(trace.id)
    (response,) = replay.turn_list[0].tool_responses
    assert (response.response, response.failed, response.call_id) == ("not found", True, "c9")


def test_arguments_that_older_versions_printed(server: LangSmithServer) -> None:
    """One text with all arguments is read; a text that is an argument stays."""
    trace = turn(server, "x", "?", "!")
    trace.run("one", "tool", inputs={"input": "{'key': 'a', 'deep': None}"}, outputs={"output": 1})
    trace.run("two", "tool", inputs={"input": "{no mapping"}, outputs={"output": 2})
    (replay,) = sessions(trace.id)
    assert [args for _, args, _ in calls(replay.turn_list[0])] == [{"key": "a", "deep": None}, {"input": "{no mapping"}]


def test_retrievers(server: LangSmithServer) -> None:
    """A retriever asks outside, as a tool does."""
    trace = turn(server, "x", "?", "!")
    documents = [{"page_content": "Refunds take 3 days.", "metadata": {"id": 1}, "type": "Document"}]
    trace.run("VectorStore", "retriever", inputs={"query": "refund"}, outputs={"documents": documents})
    (run,) = runs(trace.id)
    found = build_session(run)
    assert calls(found.replay.turn_list[0]) == [("VectorStore", {"query": "refund"}, documents)]
    assert "retriever runs, as calls of a tool of that name" in found.notes.guessed


def test_an_agent_that_failed(server: LangSmithServer) -> None:
    """The error of the root run is said; there is no answer."""
    trace = Trace(server, "x", inputs={"text": "?"}, outputs={"output": None}, error=ERROR)
    trace.run("model", "llm", inputs={"messages": [said("?")]}, error="RateLimitError('slow down')")
    (replay,) = sessions(trace.id)
    (only,) = replay.turn_list
    assert only.output is None
    assert raised_by(only.error) == "shop.PaymentError"
    assert raised_by((only.llm_responses or [])[0].error) == "RateLimitError"


def test_an_interrupt_of_langgraph(server: LangSmithServer) -> None:
    """Its tracer writes it as an error; the turn only waits for somebody."""
    error = "GraphInterrupt((Interrupt(value='Refund?', id='1'),))Traceback (most recent call last):\n"
    trace = Trace(server, "x", inputs={"text": "?"}, outputs={}, error=error)
    trace.run("model", "llm", inputs={"messages": [said("?")]}, outputs=answered(asks(("c1", "approve", {}))))
    trace.run("approve", "tool", inputs={}, outputs={}, error=error)
    (run,) = runs(trace.id)
    assert [span.error for span in run.traces[0].spans] == [None, None, None]
    assert any("interrupts" in kind for kind in run.notes.guessed)
    (only,) = build_session(run).replay.turn_list
    assert (only.error, only.tool_responses) == (None, [])


def test_attachments_are_lost(server: LangSmithServer) -> None:
    """They are counted, and not fetched."""
    trace = turn(server, "x", "?", "!")
    server.add(trace.id, s3_urls={"attachment.photo": {"presigned_url": "https://x.invalid/1"}, "events": {}})
    server.add(id_of("x/model"), attachments={"a": "https://x.invalid/2", "b": "https://x.invalid/3"})
    for api in ("v1", "v2"):
        (run,) = runs(trace.id, "--project", "shop", "--api", api)
        assert run.notes.lost["attachments of runs"] == {"v1": 1, "v2": 2}[api]


def test_what_a_model_call_cost(server: LangSmithServer) -> None:
    """Counts are the provider's, the price is LangSmith's; without the provider's, its own counts stand."""
    trace = turn(server, "x", "?", "!")
    server.add(id_of("x/model"), prompt_tokens=99, total_cost="0.0042")
    trace.run(
        "more", "llm", inputs={"messages": [said("?")]}, outputs={"text": "!"}, prompt_tokens=7, completion_tokens=2
    )
    (run,) = runs(trace.id)
    first, second = (span.what.usage for span in run.traces[0].spans if isinstance(span.what, Model))
    assert first is not None
    assert second is not None
    assert (first.input_tokens, first.cost) == (12, 0.0042)
    assert (second.input_tokens, second.output_tokens, second.cost) == (7, 2, None)


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        pytest.param(
            {"system": "Be brief.", "messages": [said("?")], "model": "claude", "max_tokens": 9},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {"key": "a"}}]},
            id="anthropic",
        ),
        pytest.param(
            {"instructions": "Be brief.", "input": [said("?")], "model": "gpt-4o", "tools": []},
            {"output": [{"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"key": "a"}'}]},
            id="responses",
        ),
        pytest.param(
            {"messages": [{"role": "system", "content": "Be brief."}, said("?")]},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "name": "look", "args": {"key": "a"}}]},
            id="own",
        ),
    ],
)
def test_other_models(server: LangSmithServer, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
    """Requests and answers are read in the shapes of other clients, too."""
    trace = Trace(server, "x", inputs={"text": "?"})
    trace.run("model", "llm", inputs=inputs, outputs=outputs)
    trace.run("look", "tool", inputs={"input": '{"key": "a"}'}, outputs={"output": 1})
    (run,) = runs(trace.id)
    model = next(span.what for span in run.traces[0].spans if isinstance(span.what, Model))
    assert [(m["role"], m["content"]) for m in model.messages or []] == [("system", "Be brief."), ("user", "?")]
    assert model.answer is not None
    assert model.answer["tool_calls"] == [{"id": "c1", "name": "look", "args": {"key": "a"}}]
    (response,) = build_session(run).replay.turn_list[0].tool_responses
    assert (response.args, response.response, response.call_id) == ({"key": "a"}, 1, "c1")


# -- exported files


def exported(server: LangSmithServer, shape: str) -> Any:
    """All runs of the server in a shape in which people keep them."""
    listed = [server.shown(run) for run in server.runs.values()]
    if shape == "list":
        return listed
    if shape == "answer":
        return {"runs": listed, "cursors": {"next": None}}
    if shape == "second":
        upper = [{**run, "run_type": run["run_type"].upper(), "status": run["status"].upper()} for run in listed]
        return {"items": [{k: v for k, v in run.items() if k not in ("parent_run_id", "session_id")} for run in upper]}
    by_parent: dict[str | None, list[dict[str, Any]]] = {}
    for run in listed:
        by_parent.setdefault(run["parent_run_id"], []).append(run)

    def tree(run: dict[str, Any]) -> dict[str, Any]:
        return {**run, "child_runs": [tree(child) for child in by_parent.get(run["id"], [])]}

    roots = [tree(root) for root in by_parent[None]]
    return {"t-1": roots} if shape == "threads" else roots


@pytest.mark.parametrize("shape", ["list", "answer", "second", "threads", "trees", "lines"])
def test_exported_runs(server: LangSmithServer, tmp_path: Path, shape: str) -> None:
    """Trees and flat lists, of both generations, as JSON or JSON Lines, give the conversation that the server gives."""
    refund(server)
    content = exported(server, "list" if shape == "lines" else shape)
    path = tmp_path / f"runs.{'jsonl' if shape == 'lines' else 'json'}"
    path.write_text("\n".join(map(json.dumps, reversed(content))) if shape == "lines" else json.dumps(content))
    (replay,) = sessions(str(path))
    is_refund(replay)
    assert LangSmith().recognises(Sample(path))


def test_model_runs_by_langchains_word_for_them(server: LangSmithServer, tmp_path: Path) -> None:
    """`chat_model`, as other tracers and exports write it, in flat lists and trees."""
    refund(server)
    for shape in ("list", "trees"):
        path = tmp_path / f"{shape}.json"
        path.write_text(json.dumps(exported(server, shape)).replace('"llm"', '"chat_model"'))
        assert '"chat_model"' in path.read_text()
        (replay,) = sessions(str(path))
        is_refund(replay)


def test_runs_of_an_unknown_kind_are_said(server: LangSmithServer, tmp_path: Path) -> None:
    """They are steps of the agent, in flat lists too; nothing is dropped without a word."""
    refund(server)
    path = tmp_path / "runs.json"
    path.write_text(json.dumps(exported(server, "list")).replace('"llm"', '"generation"'))
    (run,) = runs(str(path))
    session = build_session(run)
    assert [len(turn.llm_responses or []) for turn in session.replay.turn_list] == [0, 0]
    said_of = "runs of a kind that LangSmith does not have (generation), as steps of the agent"
    assert session.notes.guessed[said_of] == 5


def test_a_request_that_is_one_text_is_said_to_be_lost(server: LangSmithServer) -> None:
    """LangChain's plain models are asked with `prompts`: the answer is served, and what was asked is not compared."""
    trace = Trace(server, "x", inputs={"text": "?"}, outputs={"output": "!"})
    generations = {"generations": [[{"text": "!"}]]}
    trace.run("model", "llm", inputs={"prompts": ["Human: ?"]}, outputs=generations)
    (run,) = runs(trace.id)
    session = build_session(run)
    (answer,) = session.replay.turn_list[0].llm_responses or []
    assert (answer.content, answer.request) == ("!", None)
    assert session.notes.lost == {
        "what the model was asked, where the source does not have it as messages: it is not compared": 1
    }


def test_exported_runs_of_two_files(server: LangSmithServer, tmp_path: Path) -> None:
    """The turns of one thread may lie in several files."""
    refund(server)
    roots = exported(server, "trees")
    for number, root in enumerate(roots):
        (tmp_path / f"{number}.json").write_text(json.dumps(root))
    (replay,) = sessions(str(tmp_path / "1.json"), str(tmp_path / "0.json"))
    is_refund(replay)
    assert len(runs(str(tmp_path / "1.json"), str(tmp_path / "0.json"), "--as", "trace")) == 2


@pytest.mark.parametrize(
    "content", ["[]", '{"spans": []}', '[{"role": "user", "content": "?"}]', '{"id": 1, "run_type": "x"}']
)
def test_a_file_without_runs(tmp_path: Path, content: str) -> None:
    """It is an error, and the file is not recognised."""
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(FormatError, match="there is no run of LangSmith in it"):
        runs(str(path))
    assert not LangSmith().recognises(Sample(path))


def test_a_very_deep_tree(server: LangSmithServer, tmp_path: Path) -> None:
    """Its runs are found at every depth."""
    trace = turn(server, "x", "?", "!")
    parent = "root"
    for depth in range(60):
        trace.run(f"step {depth}", "chain", parent)
        parent = f"step {depth}"
    trace.run("look", "tool", parent, inputs={"key": "a"}, outputs={"output": 1})
    path = tmp_path / "deep.json"
    path.write_text(json.dumps(exported(server, "trees")))
    for replay in (*sessions(trace.id), *sessions(str(path))):
        assert calls(replay.turn_list[0]) == [("look", {"key": "a"}, 1)]


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the captured traces are not here")
@pytest.mark.parametrize("name", ["run_trees_by_thread.json", "ingest_dump.json"])
def test_captured_traces(name: str) -> None:
    """What LangSmith's client sent and returned gives the refund conversation, of LangGraph and of a wrapped client."""
    found = {run.id: build_session(run).replay for run in runs(str(SAMPLES / name))}
    assert sorted(found) == ["lg-handled-error", "lg-unhandled-error", "wrap-openai", "wrap-openai-stream"]
    for thread in ("lg-handled-error", "wrap-openai", "wrap-openai-stream"):
        first, second = found[thread].turn_list
        assert [call[0] for call in calls(first)] == ["get_order", "get_customer", "issue_refund"]
        assert calls(first)[2][1:] == ({"order_id": "ORD-1001", "amount_cents": 4599}, "shop.PaymentError")
        assert "has been issued" in str(first.output)
        assert calls(second)[0][1] == {"order_id": "ORD-1001", "amount_cents": 4599, "retry": True}
        assert [first.input, second.input] == [
            "I want a refund for order ORD-1001, my customer id is C-77.",
            "I still do not see the refund on my card.",
        ]
    (only,) = found["lg-unhandled-error"].turn_list
    assert (only.output, len(only.tool_responses)) == (None, 3)
    assert raised_by(only.error) == "shop.PaymentError"


# -- the command line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "say what to import"),
        ("--thread t --limit 3", "--limit chooses among the runs of a project"),
        ("runs.json --project shop", "runs.json is a file of exported runs"),
        ("--project shop --limit 3 --select-all", "not both"),
        ("--project shop --feedback =0", "give KEY=VALUE"),
        ("--project shop --since yesterday", "nor how long ago, such as 7d"),
        ("--project shop --since 9999999d", "too long ago"),
    ],
)
def test_options_that_do_not_go_together(words: str, message: str) -> None:
    """They are refused before anything is asked."""
    with pytest.raises(ReplayError, match=message):
        LangSmith().check(given(*words.split()))


def test_something_that_is_no_run(server: LangSmithServer) -> None:
    """A word that is neither an id nor a file is told how to spell a thread."""
    with pytest.raises(ReplayError, match=r"no id of a run.*--thread ID"):
        runs("my-thread")


def test_a_thread_needs_its_project(server: LangSmithServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is that of LANGSMITH_PROJECT, unless another is named."""
    refund(server)
    with pytest.raises(ReplayError, match="give --project NAME, or set LANGSMITH_PROJECT"):
        runs("--thread", "t-1")
    monkeypatch.setenv("LANGSMITH_PROJECT", "shop")
    is_refund(*sessions("--thread", "t-1"))
