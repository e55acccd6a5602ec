"""A session that only observes: the interceptors of replays tell it what happens, and everything runs for real.

It has the face of `player.session.Session` as far as interceptors use it. What it sees become events: dictionaries of
JSON, in memory and in the journal, from which `building` makes the replay file. Calls inside of a call have that as
their `parent`; which of them are in the file is decided at the end.
"""

from __future__ import annotations

import functools
import itertools
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit
from weakref import WeakSet

from pytest_agent_replay.capturing.journal import Journal, journal_line
from pytest_agent_replay.capturing.secrets import Scrubber
from pytest_agent_replay.capturing.talks import Place, Talk, Talks
from pytest_agent_replay.capturing.values import Recorded, arguments, error_of, http_outcome, recorded
from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.intercept.returns import Keyed, promises
from pytest_agent_replay.llm.neutral import ModelRequest
from pytest_agent_replay.player.bypass import is_outside_replay
from pytest_agent_replay.player.current import activate
from pytest_agent_replay.player.http import HttpReply, HttpRequest, PassThrough
from pytest_agent_replay.player.http_tools import HttpTools, arguments_of
from pytest_agent_replay.player.layers import place, placed
from pytest_agent_replay.player.session import Served
from pytest_agent_replay.player.telemetry import is_telemetry

__all__ = ["CaptureSession"]

logger = logging.getLogger("pytest_agent_replay.capture")

Function = TypeVar("Function", bound=Callable[..., Any])
_Given = Sequence[tuple[str, Any, Any]]
"""Arguments that the called may change: name, value, and its JSON form before the call."""


def _harmless(default: Callable[[], Any]) -> Callable[[Function], Function]:
    """What goes wrong in a capture is logged, and is never the agent's error: `default()` is returned instead.

    So it is after the end, and in a process that was forked from the one that captures.
    """

    def decorate(method: Function) -> Function:
        @functools.wraps(method)
        def harmless(self: CaptureSession, *args: Any, **kwargs: Any) -> Any:
            if self.is_ended:
                return default()
            try:
                return method(self, *args, **kwargs)
            except Exception as error:
                self.broke(error)
                return default()

        return cast(Function, harmless)

    return decorate


@dataclass(frozen=True, slots=True)
class _Open:
    """A call that the running code is inside of."""

    session: CaptureSession
    number: int
    tool: str


class CaptureSession:
    """What one capture sees. Tasks and threads that are started inside belong to it, others never do."""

    observes = True
    is_over = False
    """What comes after the end is let through like everything else, and is no error."""
    may_start_processes = True

    def __init__(self, label: str, *, tools: Mapping[str, Any] | None = None) -> None:
        self.label = label
        self.targets: dict[str, Any] = dict(tools or {})
        self.replay = ReplayFile(input=None)
        """A file that names no tools."""
        self.functions: dict[int, Any] = {}
        self.at_servers: Counter[str] = Counter()
        """Tools that servers run for real at this moment: one within the process runs them in tasks of its own."""
        self.background: WeakSet[Any] = WeakSet()
        self.bindings: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []
        self.scrubber = Scrubber()
        self.is_idle = False
        """A replay answers the agent, and nothing is captured."""
        self.error: str | None = None
        """What failed first in the capture itself."""
        self.bind: Callable[[Iterable[str]], None] | None = None
        self._functions: dict[str, list[Any]] = {}
        """Functions that are tools, by the tool's name."""
        self._journal: Journal | None = None
        self._http = HttpTools(self.targets, ())
        self._numbers = itertools.count(1)
        self._begun: dict[int, tuple[float, _Given]] = {}
        self._lock = threading.RLock()
        self._turn = 0
        self._is_told = False
        """Turns are told by the one who captures, and need not be guessed."""
        self._talks = Talks()
        self._messages: list[dict[str, Any]] = []
        """The history that a replay gives to the present turn."""
        self._notes: list[str] | None = None
        """What is noted while an answer in pieces is read."""
        self._pid = os.getpid()
        self._ended = False

    # -- for the one who captures

    @property
    def is_ended(self) -> bool:
        """Nothing is recorded any more."""
        return self._ended or self.is_forked

    @property
    def is_forked(self) -> bool:
        """This is another process than the one that captures."""
        return os.getpid() != self._pid

    def turn(self, input: Any) -> None:
        """A turn begins: the user said this. What follows belongs to it."""
        self._begin_turn(input)

    def said(self, output: Any) -> None:
        """The agent spoke without being asked: a turn of its own, which a replay does not run."""
        self.before([{"role": "assistant", "content": output}])

    @_harmless(lambda: None)
    def before(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """User and assistant said this before the next turn, which a replay does not run."""
        with self._lock:
            self._is_told = True
            for message in messages:
                self._turn += 1
                key = "input" if message["role"] == "user" else "output"
                self._add({"event": "said", "turn": self._turn, key: recorded(message["content"]).value})

    @_harmless(lambda: None)
    def called(self, agent: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """A turn begins with a call of the agent: what was given to it is what a replay gives."""
        from pytest_agent_replay.capturing.calls import read_call

        call = read_call(agent, args, kwargs)
        with self._lock:
            if not self._turn:
                self._messages = call.history or []
                self.before(self._messages)
            else:
                exchange = (("user", self.input), ("assistant", self.output))
                self._messages = [*self._messages, *({"role": role, "content": text} for role, text in exchange)]
                if call.history is not None and call.history != self._messages:
                    call.lost.append("the argument `history`, which is not what was said before in this session")
            more = {"context": call.context} if call.context is not None else {}
            self._is_told = True
            self._next_turn(call.input, overrides=call.overrides, **more)
        for what in call.lost:
            self._lose(what)

    @property
    def input(self) -> Any:
        """What the user said in the present turn."""
        said = [event for event in self.events if event["event"] in ("turn", "input")]
        return said[-1]["input"] if said else None

    @input.setter
    def input(self, value: Any) -> None:
        self._set_input(value)

    @property
    def output(self) -> Any:
        """What the agent answered in the present turn."""
        said = [event for event in self.events if event["event"] == "output" and event["turn"] == self._turn]
        return said[-1]["output"] if said else None

    @output.setter
    def output(self, value: Any) -> None:
        self._set_output(value)

    @_harmless(lambda: None)
    def _begin_turn(self, input: Any) -> None:
        said = recorded(input)
        with self._lock:
            self._is_told = True
            self._next_turn(said.value)
        if said.lost:
            self._lose("parts of an input that have no JSON form")

    @_harmless(lambda: None)
    def _set_input(self, value: Any) -> None:
        with self._lock:
            self._is_told = True
            if not self._turn:
                self._begin_turn(value)
                return
            said = recorded(value)
            self._add({"event": "input", "turn": self._turn, "input": said.value})
        if said.lost:
            self._lose("parts of an input that have no JSON form")

    @_harmless(lambda: None)
    def _set_output(self, value: Any) -> None:
        from pytest_agent_replay.agents.answers import read_answer
        from pytest_agent_replay.errors import AgentError

        try:
            answer = read_answer(value)
        except AgentError as error:
            self._lose(f"an answer of the agent: {error}")
            return
        self._add({"event": "output", "turn": self._turn, "output": recorded(answer.output).value})

    @_harmless(lambda: None)
    def streamed(self, pieces: Sequence[Any], returned: Any) -> None:
        """The present turn ended with the one answer that a stream is, by the rule that replays have for it."""
        from pytest_agent_replay.agents.streams import settle

        def stream() -> Generator[Any, None, Any]:
            yield from pieces
            return returned

        self._notes = []
        try:
            with activate(self, strictly=True):
                answer = settle(stream())
        finally:
            notes, self._notes = self._notes, None
        for note in notes:
            self._add({"event": "guess", "turn": self._turn, "what": f"the output: {note}"})
        self._set_output(answer)

    def wrap(self, agent: Callable[..., Any]) -> Callable[..., Any]:
        """The agent, each call of which is a turn: its input, and what it answers or raises."""
        from pytest_agent_replay.capturing.wrapping import Step, Turn, wrapped

        def step() -> AbstractContextManager[None]:
            # each request of a server is a context of its own, in which nobody has entered this capture
            return nullcontext() if self.is_idle or self.is_ended else Step(self, strictly=True)

        return wrapped(agent, lambda: Turn(self, step, self._turn_done))

    def _turn_done(self, error: BaseException | None) -> None:
        if error is not None:
            self.raised(error)

    @_harmless(lambda: None)
    def raised(self, error: BaseException) -> None:
        """The agent raised in the present turn. To end the process, or a stream, is no error."""
        if isinstance(error, Exception):
            here = None if self._is_told else self._talks.here()
            turn = self._turn if here is None else here.turn
            self._add({"event": "raised", "turn": turn, "error": error_of(error)})

    @_harmless(lambda: None)
    def left_elsewhere(self) -> None:
        """The capture was left in another context than it was entered in, as generators of a framework may be."""
        if any(event["event"] == "begin" for event in self.events):
            return  # that of the agent came from the one where the capture was entered
        logger.warning(
            "%s: no call is captured: the capture was entered in one context (task, thread) and left in another, and "
            "the agent ran outside of the first. Say `with capture(…)` in the function that calls the agent, or wrap "
            "the agent: `capture(path)(agent)`",
            self.label,
        )
        self._lose("all calls that were made in another context than the capture was entered in")

    @_harmless(lambda: None)
    def miss(self, names: Iterable[str]) -> None:
        """These should have been tools."""
        called = {event.get("tool") for event in self.events}
        for name in names:
            if name not in self.bindings and name not in called:
                self.fail(
                    f"nothing is known of a tool `{name}`: no function of that name was found, and none was called"
                )

    @property
    def has_seen(self) -> bool:
        """There is something to write."""
        return any(event["event"] != "lost" for event in self.events)

    def end(self) -> None:
        """Nothing is recorded from here on."""
        with self._lock:
            self._ended = True
            self._talks.forget()

    def broke(self, error: Exception) -> None:
        """Something of the capture itself failed: said once, and in the file."""
        if self.error is None:
            self.error = str(error) or type(error).__name__
            logger.warning(
                "%s: a part of what happened is not captured (%s: %s); the agent is not affected",
                self.label,
                type(error).__name__,
                error,
                exc_info=error,
            )
        try:
            self._lose(f"what failed to be captured ({type(error).__name__})")
        except Exception:  # the journal's disk is full: the file at the end says it
            self.events.append({"event": "lost", "what": "what failed to be captured"})

    # -- events

    def _add(self, event: dict[str, Any]) -> None:
        with self._lock:
            self.events.append(event)
            if self._journal is not None and not self._journal.is_broken:
                self._keep(self._journal, event)

    def _keep(self, journal: Journal, event: dict[str, Any]) -> None:
        try:
            line = journal_line(cleaned(self.scrubber, event))
            if self.scrubber.leaks(line):
                self.close_journal(remove=True)  # the file itself will not be written either
            else:
                journal.add(line)
        except OSError as error:
            logger.warning(
                "%s: the journal cannot be written (%s): what is captured is lost if the process dies before its end",
                self.label,
                error,
            )

    def keep_in(self, journal: Journal | None) -> None:
        """Each event is written there as well."""
        self._journal = journal

    def close_journal(self, *, remove: bool) -> Path | None:
        """Ends the journal; where it is, unless it is to be removed, as the replay file is there."""
        with self._lock:
            journal, self._journal = self._journal, None
        if journal is not None:
            journal.close(remove=remove)
        return journal.path if journal is not None and not remove else None

    def _next_turn(self, input: Any, **guessed: Any) -> None:
        self._turn += 1
        self._add({"event": "turn", "turn": self._turn, "input": input, "at": time.time(), **guessed})

    def _lose(self, what: str) -> None:
        self._add({"event": "lost", "what": what})

    def _begin(self, kind: str, given: _Given = (), **fields: Any) -> int:
        number = next(self._numbers)
        outer = _innermost(self)
        event = {"event": "begin", "n": number, "kind": kind, "turn": self._turn, **fields}
        if outer is not None:
            event["parent"] = outer.number
        elif kind == "tool" and not self._is_told:
            event.update(self._turn_of_call(fields["tool"], fields["args"]))
        self._add(event)
        self._begun[number] = (time.perf_counter(), given)
        return number

    def _turn_of_call(self, tool: str, args: Any) -> dict[str, Any]:
        """The turn that a call belongs to, as far as it can be told; it may be `open` whether it is the one after."""
        with self._lock:
            talk, is_sure = self._talks.of_call(tool, args)
            here = self._talks.here()
        if talk is None:
            return {}
        return {"turn": talk.turn} if is_sure else {"turn": talk.turn, **_open(talk, here)}

    def _end(self, number: int, **fields: Any) -> None:
        ended = time.perf_counter()
        with self._lock:
            begun, given = self._begun.pop(number, (None, ()))
        if begun is None:
            return
        changed = [name for name, value, before in given if recorded(value).value != before]
        if changed:
            fields["changed"] = ", ".join(changed)
        self._add({"event": "end", "n": number, "latency_ms": round((ended - begun) * 1000, 1), **fields})

    # -- tools, as interceptors report them

    @_harmless(lambda: Served(live=True))
    def call_tool(
        self,
        tool: str,
        args: Mapping[str, Any],
        *,
        channel: str,
        call_id: str | None = None,
        **more: Any,
    ) -> Served:
        """A tool is about to run. What else a replay would be told of it is of no use here."""
        fields: dict[str, Any] = {"tool": tool, "args": arguments(args), "channel": channel}
        if call_id is not None:
            fields["call_id"] = call_id
        given = [
            (name, args.get(name), before)
            for name, before in fields["args"].items()
            if isinstance(before, (dict, list))
        ]
        return Served(live=True, span_id=str(self._begin("tool", given, **fields)))

    @_harmless(Recorded)
    def piece(self, value: Any) -> Recorded:
        """What a tool has yielded, as it is now: some yield the same list again and again."""
        return recorded(value)

    @_harmless(lambda: None)
    def tool_finished(self, served: Served, tool: str, result: Any = None, error: BaseException | None = None) -> None:
        """It returned, or raised."""
        if not served.span_id:
            return
        number = int(served.span_id)
        if error is not None:
            self._failed(number, error)
            return
        found = recorded(result)
        fields: dict[str, Any] = {"response": found.value}
        if found.lost:
            fields["lossy"] = _named(result, found.lost)
        retyped = self._retyped(tool, found.kinds)
        if retyped:
            fields["retyped"] = ", ".join(retyped)
        self._end(number, **fields)

    def _retyped(self, tool: str, kinds: Iterable[Any]) -> list[str]:
        """The types that a replay cannot make again, as no annotation of the tool's function names them."""
        functions = self._functions.get(tool, ()) if kinds else ()
        return sorted(
            "dict with keys that are no text" if kind is Keyed else kind.__qualname__
            for kind in kinds
            if functions and not any(promises(function, kind) for function in functions)
        )

    def _failed(self, number: int, error: BaseException) -> None:
        if type(error).__name__ in ("CancelledError", "GeneratorExit", "KeyboardInterrupt", "SystemExit"):
            self._end(number, error={"type": "TimeoutError", "message": "given up by its caller"}, given_up=True)
        else:
            self._end(number, error=error_of(error))

    @contextmanager
    def inside(
        self, tool: str, *, is_marked: bool = True, may_be_real: bool = False, span_id: str = ""
    ) -> Iterator[None]:
        """The tool's own code runs in here; the call is `span_id`."""
        if not span_id:
            yield
            return
        with placed((*place(), _Open(self, int(span_id), tool))):
            yield

    def is_inside(self, tool: str) -> bool:
        """Whether the running code is inside of this tool."""
        return any(each.session is self and each.tool == tool for each in _opened())

    @_harmless(lambda: None)
    def offered(self, names: Iterable[str]) -> None:
        """These are tools of the agent: functions of these names are reported from now on."""
        if self.bind is not None:
            with self._lock:
                self.bind(list(names))

    @_harmless(lambda: None)
    def passes(self, tool: str, args: Mapping[str, Any], **more: Any) -> None:
        """A step of a framework's own control flow, which a replay runs too."""
        self._add({"event": "control", "tool": tool})

    def bound(self, tool: str, how: str, *, alone: bool = True) -> None:
        """Notes how a tool is intercepted."""
        self.bindings[tool] = how

    def function_seen(self, tool: str, function: Any, is_method: bool, misfit: Any) -> None:
        """What it promises to return is what a replay can make again."""
        known = self._functions.setdefault(tool, [])
        if function not in known:
            known.append(function)

    def remote(self, names: Iterable[str]) -> None:
        """Tools of a server are called like others."""

    def may_be_remote(self, name: str) -> bool:
        """No server is stood in for."""
        return False

    def knows(self, tool: str) -> bool:
        """No recording is looked for."""
        return False

    def recorded_names(self) -> list[str]:
        """None: there are no recordings yet."""
        return []

    def recorded_args(self, tool: str) -> list[Mapping[str, Any] | None]:
        """None."""
        return []

    def recorded_globs(self) -> list[str]:
        """None either."""
        return []

    # -- what would be findings of a replay

    @_harmless(lambda: None)
    def fail(self, message: str) -> None:
        """A mistake in how tools are bound."""
        logger.warning("%s: %s", self.label, message)
        self._lose(message)

    def note(self, message: str) -> None:
        """Nothing to note, but for how an answer in pieces is read."""
        if self._notes is not None:
            self._notes.append(message)

    def check_connection(self, host: str, port: int | None) -> Exception | None:
        """Every connection is allowed."""
        return None

    def thread_started(self, thread: threading.Thread) -> None:
        """Nothing is to be done."""

    def thread_joined(self, thread: threading.Thread) -> None:
        """Nothing is to be done."""

    # -- HTTP

    @_harmless(PassThrough)
    def handle_http(self, request: HttpRequest) -> HttpReply | PassThrough:
        """A request is about to be sent: to a model, or as a tool of its own."""
        if is_outside_replay():
            return PassThrough()
        routed = self._http.routed(request)
        if routed is not None:
            tool, captures = routed
            return self._http_tool(tool, {**arguments_of(request), **captures}, request)
        asked = _recognise(request)
        if asked is not None and asked.wire.converses and asked.wire.can_render:
            return self._model_call(asked)
        if asked is None and (is_telemetry(request) or _is_token_request(request)):
            return PassThrough()
        parts = urlsplit(request.url)
        name = f"{request.method} {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        return self._http_tool(name, arguments_of(request), request)

    def _http_tool(self, tool: str, args: dict[str, Any], request: HttpRequest) -> PassThrough:
        self.bindings[tool] = request.client
        number = self._begin("tool", tool=tool, args=arguments(args), channel=request.client)

        @_harmless(lambda: None)
        def observe(self: CaptureSession, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            outcome, is_text = http_outcome(status, headers, body)
            self._end(number, limit_ms=_limit_ms(request), **outcome, **({} if is_text else {"lossy": "binary"}))

        return PassThrough(functools.partial(observe, self), functools.partial(self._request_failed, number))

    @_harmless(lambda: None)
    def _request_failed(self, number: int, error: BaseException) -> None:
        self._failed(number, error)

    # -- the model

    def _model_call(self, request: ModelRequest) -> PassThrough:
        from pytest_agent_replay.llm.digest import digests
        from pytest_agent_replay.llm.tool_messages import tool_messages

        messages = request.messages
        is_outermost = _innermost(self) is None
        with self._lock:
            where = self._talks.asked(request) if is_outermost and not self._is_told else None
            told = [_told(message) for message in tool_messages(request) if message["call"] is not None]
            request_ = digests(request).model_dump(exclude_none=True)
            fields: dict[str, Any] = {"model": request.model, "request": request_, "told": told}
            if where is not None:
                fields.update(self._guess_turn(where))
            number = self._begin("model", **fields, _messages=messages, _tools=request.tools)
        self.offered([str(tool.get("name")) for tool in request.tools])

        @_harmless(lambda: None)
        def observe(self: CaptureSession, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            answer = request.wire.read(status, body, request)
            if answer is None:
                self._end(number, unread=True)
                return
            if where is not None and not where.is_beside:
                where.talk.answered(answer, body)
            data = recorded(answer.model_dump(mode="json", by_alias=True, exclude_none=True))
            self._end(number, limit_ms=_limit_ms(request.http), answer=data.value)

        return PassThrough(functools.partial(observe, self), functools.partial(self._model_failed, number))

    @_harmless(lambda: None)
    def _model_failed(self, number: int, error: BaseException) -> None:
        told = error_of(error)
        told.pop("attributes", None)
        self._end(number, answer={"status": 0, "error": told})

    def _guess_turn(self, where: Place) -> dict[str, Any]:
        """Begins a turn where the request does. What is to be said of its place."""
        talk = where.talk
        if where.begins and (where.input is not None or talk.number > 1):
            after = where.after.turn if where.after is not None else None
            self._next_turn(recorded(where.input).value, guessed=True, talk=talk.number, after=after)
            talk.turn = self._turn
        if where.joins is not None:
            self._add({"event": "join", "turn": talk.turn, "joins": where.joins.turn})
        if where.guess:
            self._add({"event": "guess", "turn": talk.turn, "what": where.guess})
        found: dict[str, Any] = {"turn": talk.turn}
        if where.is_beside:
            found.update(beside=True, **(_open(talk, where.after) if where.guess else {}))
        return found


def _open(talk: Talk, here: Talk | None) -> dict[str, Any]:
    """What tells whether a call may belong to the turn that begins next."""
    return {"open": talk.is_final, "after": here.turn if here is not None else None}


def cleaned(scrubber: Scrubber, event: dict[str, Any]) -> dict[str, Any]:
    """An event without secrets. Its digests are those of the messages without them."""
    known = scrubber.version
    version, clean = event.pop("_clean", (None, event))
    if version != known:
        clean = _cleaned(scrubber, event)
    event["_clean"] = (known, clean)  # what was learned meanwhile may stand in it
    return cast(dict[str, Any], clean)


def _cleaned(scrubber: Scrubber, event: dict[str, Any]) -> dict[str, Any]:
    if event["event"] == "begin" and event["kind"] == "tool":
        args, left_out = scrubber.arguments(event["args"])
        clean = {**event, "tool": scrubber.route(event["tool"]), "args": args}
        return {**clean, "left_out": left_out} if left_out else clean
    clean = {key: value if key in _STRUCTURE else scrubber.clean(value) for key, value in event.items()}
    if "_messages" in event and clean["_messages"] != event["_messages"]:
        from pytest_agent_replay.llm.digest import request_digests

        found = request_digests(clean["_messages"], tools=event["_tools"], model=event["model"])
        clean["request"] = found.model_dump(exclude_none=True)
    return clean


_STRUCTURE = frozenset(
    ("event", "n", "kind", "turn", "joins", "at", "parent", "request", "latency_ms", "limit_ms", "_tools")
)


def _named(value: Any, lost: Iterable[str]) -> str:
    kind, inner = type(value).__qualname__, ", ".join(lost)
    return kind if kind == inner else f"{kind} with {inner}"


def _told(message: Mapping[str, Any]) -> dict[str, Any]:
    from pytest_agent_replay.llm.reading import content_text

    call = message["call"]
    return {
        "tool": message["name"],
        "args": call.get("args") or {},
        "call_id": message["tool_call_id"],
        "text": content_text(message["content"]),
    }


def _opened() -> Iterator[_Open]:
    return (each for each in reversed(place()) if isinstance(each, _Open))


def _innermost(session: CaptureSession) -> _Open | None:
    return next((each for each in _opened() if each.session is session), None)


def _limit_ms(request: HttpRequest) -> float | None:
    """The client's timeout: a request that was answered did not run into it, however long its stream lasted."""
    limits = [limit * 1000 for limit in (request.read_timeout, request.total_timeout) if limit is not None]
    return min(limits, default=None)


def _is_token_request(request: HttpRequest) -> bool:
    from pytest_agent_replay.llm.tokens import is_token_request

    return is_token_request(request)


def _recognise(request: HttpRequest) -> ModelRequest | None:
    from pytest_agent_replay.llm.recognise import recognise

    return recognise(request)
