"""One run of one replay: every caught call comes here, is answered from the recording, and leaves its events.

A session knows nothing of pytest, of frameworks or of client libraries. Several threads and tasks use it at once.
"""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Protocol
from urllib.parse import urlsplit
from weakref import WeakSet

from pytest_agent_replay.errors import ReplayError, StopReplay
from pytest_agent_replay.formats.replay import LlmResponse, RecordingRef, ReplayFile, Source, ToolResponse
from pytest_agent_replay.llm.neutral import ModelRequest
from pytest_agent_replay.player.bypass import is_outside_replay
from pytest_agent_replay.player.clock import VirtualClock
from pytest_agent_replay.player.current import activate
from pytest_agent_replay.player.http import HttpReply, HttpRequest, PassThrough
from pytest_agent_replay.player.http_tools import HttpTools, arguments_of, reply_for, timeout_failure, waited_ms
from pytest_agent_replay.player.layers import Layers
from pytest_agent_replay.player.matching import Match, RecordingBook, ToolRules
from pytest_agent_replay.player.pause import Pause
from pytest_agent_replay.player.staleness import Staleness
from pytest_agent_replay.player.telemetry import is_telemetry, is_telemetry_host
from pytest_agent_replay.player.values import OPAQUE, arguments_to_json, short, to_json, unset_fields
from pytest_agent_replay.report.results import UnrecordedCall
from pytest_agent_replay.settings import Settings
from pytest_agent_replay.trace.model import Event, ToolCallView, Trace

__all__ = ["Served", "Session", "StepHooks"]


class StepHooks(Protocol):
    """Called around every tool call, model call and turn. What they raise ends the turn as failed."""

    def before_step(self, event: Event) -> None:
        """A `…_called` or `run_started` event was just recorded."""

    def after_step(self, event: Event) -> None:
        """The step ended; `event` is its last one."""

    def step_error(self, event: Event) -> None:
        """The step failed, or was not recorded; called before `after_step`."""


@dataclass(slots=True)
class Served:
    """What a tool call is answered with. Exactly one of `response`, `unrecorded`, `live` and `inside` says how."""

    response: ToolResponse | None = None
    unrecorded: str | None = None
    """Why nothing answers the call; the text of the error that the agent gets."""
    live: bool = False
    """The settings let the real tool run; the caller reports the outcome with `Session.tool_finished`."""
    inside: bool = False
    """What is recorded are calls inside of the tool: the caller runs it in `Session.inside`."""
    span_id: str = ""
    pause: Pause | None = None
    """The recorded latency, to be waited for before answering."""


@dataclass(slots=True)
class _Call:
    """A call between its two events."""

    tool: str
    args: dict[str, Any]
    call_id: str | None
    channel: str
    span_id: str
    parallel: bool = False


@dataclass(slots=True)
class _ServedAgain:
    tool: str
    args: dict[str, Any]
    turn: int
    ref: RecordingRef
    times: int = 0


@dataclass(slots=True)
class Findings:
    """What a reader must know of a session beside its trace."""

    problems: list[str] = field(default_factory=list)
    """Each fails the item."""
    inconclusive: str | None = None
    notes: list[str] = field(default_factory=list)
    unrecorded: list[UnrecordedCall] = field(default_factory=list)
    served_again: dict[tuple[int, RecordingRef, Any], _ServedAgain] = field(default_factory=dict)


class Session(AbstractContextManager["Session"]):
    """One run of one replay. A context manager: inside it, calls of this context belong to this session."""

    observes = False
    """Everything runs for real, and is only looked at; see `capturing.session`."""
    is_over = False
    turn = 0
    has_gone_live = False
    """Something was asked for real: from then on, time is real where it matters to what was asked."""
    in_flight = 0
    """Requests that went to the network and are not answered yet."""
    staleness: Staleness | None = None
    _llm: Any = None
    _calls = 0
    _calls_this_turn = 0
    _turn_span: str | None = None
    _stop: StopReplay | None = None

    def __init__(
        self,
        replay: ReplayFile,
        settings: Settings,
        *,
        label: str,
        bind: Callable[[Session, Iterable[str]], None] | None = None,
        in_url: Callable[[str], bool] | None = None,
        reaches: Callable[..., bool] | None = None,
        hooks: StepHooks | None = None,
    ) -> None:
        self.replay = replay
        self.settings = settings
        self.label = label
        self.trace = Trace(metadata={"source": "replay", "parent": None})
        self.findings = Findings()
        self.clock = VirtualClock()
        self.bindings: dict[str, str] = {}
        """Tool name to how it is intercepted, for reports."""
        self._bound: set[str] = set()
        self.functions: dict[int, Any] = {}
        """`id` of a function to its bindings; see `intercept.functions`."""
        self.loops: list[Any] = []
        """The asyncio loops that the agent ran on, whose clocks follow this session's."""
        self.at_servers: defaultdict[str, int] = defaultdict(int)
        """Tools that servers run for real at this moment: one within the process runs them in tasks of its own."""
        self.background: WeakSet[Any] = WeakSet()
        """Threads and futures that were started in this session."""
        self.targets: dict[str, Any] = {**settings.tools, **replay.tools}
        self._bind = bind
        self._reaches = reaches
        self._hooks = hooks
        self._lock = threading.RLock()
        self.rules = ToolRules(settings.matching, replay.matching, golden=replay.golden)
        """The matching rules of a tool, by its name."""
        self._book = RecordingBook(replay.all_recordings(), self.rules)
        if settings.stale != "ignore":
            self.staleness = Staleness(replay, self._book.of_tool, self.fail if settings.stale == "fail" else self.note)
        self._http = HttpTools(self.targets, self._book.names)
        self._told_tools: dict[str, dict[str, Any]] = {}
        """The tools that model requests offered."""
        self._layers = Layers(self._book.names, _is_request(self._http, in_url))
        self._passed: list[ToolCallView] = []
        self._spans = itertools.count(1)

    # -- life

    def __enter__(self) -> Session:
        self.clock.__enter__()
        self._activated = activate(self)
        self._activated.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.is_over = True
        if self.loops:
            from pytest_agent_replay.player.virtual_loop import leave

            leave(self)
        # whoever binds holds the session, as does what makes it current: together they would wait for the garbage
        # collector
        self._bind = self._reaches = None
        self._layers.end()
        self.staleness = None
        try:
            self._activated.__exit__()
        finally:
            del self._activated
            self.clock.__exit__()

    def begin_turn(self, turn: int, *, input: Any, context: Any) -> None:
        """Makes the recordings of `turn` (from 1) the ones that answer."""
        with self._lock:
            self.turn = turn
            self._calls_this_turn = 0
            self._book.begin_turn(turn)
            if self._llm is not None:
                self._llm.begin_turn(turn)
            self._turn_span = self._next_span()
            self._emit("run_started", {"input": input, "context": context}, self._turn_span, parent=None)

    def end_turn(self, *, output: Any = None, error: BaseException | None = None, usage: Any = None) -> None:
        """Records what the agent answered, or what it raised."""
        payload: dict[str, Any] = {"output": output} if error is None else {"error": describe(error)}
        if usage:
            payload["usage"] = usage
        self._emit("run_completed" if error is None else "run_failed", payload, self._turn_span, parent=None)

    # -- findings

    def fail(self, message: str) -> None:
        """Notes something that fails the item even when the agent swallows the error."""
        with self._lock:
            if message not in self.findings.problems:
                self.findings.problems.append(message)

    def note(self, message: str) -> None:
        """Notes something that a reader should know though it changes no verdict."""
        with self._lock:
            if message not in self.findings.notes:
                self.findings.notes.append(message)

    @property
    def is_stopped(self) -> bool:
        """The session was ended from inside: every further call ends the turn again."""
        return self._stop is not None

    def stop(self, message: str, *, inconclusive: bool = False) -> StopReplay:
        """Ends the session for good. Raise what it returns."""
        with self._lock:
            if self._stop is None:
                self._stop = StopReplay(message)
                if inconclusive:
                    self.findings.inconclusive = message
                else:
                    self.fail(message)
            return self._stop

    def unused(self) -> list[tuple[RecordingRef, ToolResponse]]:
        """Recordings that nobody asked for, in the file's order."""
        return [(entry.ref, entry.response) for entry in self._book.unused()]

    def recorded_names(self) -> list[str]:
        """The tools that the file has recordings of, without globs."""
        return self._book.names

    def recorded_args(self, tool: str) -> list[Mapping[str, Any] | None]:
        """The arguments in the recordings of a tool of this very name."""
        return [response.args for _, response in self._book.of_tool(tool)]

    def recorded_globs(self) -> list[str]:
        """The globs among the tools that the file has recordings of."""
        return self._book.globs

    def model_notes(self) -> list[str]:
        """What a reader should know of the recorded model answers, at the end of a run."""
        if self._llm is None or not self._llm.is_recorded or self._stop is not None or self._llm.went_live is not None:
            return []
        unused = len(self._llm.unused())
        return [f"{unused} recorded model answers were not asked for"] if unused else []

    def knows(self, tool: str) -> bool:
        """Whether any recording is of this tool."""
        return self._book.knows(tool)

    def bound(self, tool: str, how: str, *, alone: bool = True) -> None:
        """Notes that a tool is intercepted where it is called. `alone`: it is no longer looked for in URLs."""
        self.bindings[tool] = how
        if alone:
            self._bound.add(tool)

    # -- tools that are let through

    def offered(self, names: Iterable[str]) -> None:
        """The agent offers these tools to its model: functions of these names are bound before they can be called."""
        names = list(names)
        with self._lock:
            self._layers.offered(names)
            if self._bind is not None:
                self._bind(self, names)

    def remote(self, names: Iterable[str]) -> None:
        """A server that the agent is connected to has these tools, which the agent may offer under other names."""
        self._layers.remote(names)

    def may_be_remote(self, name: str) -> bool:
        """Whether a recorded tool may be one of a server: it is neither a function of the agent nor a request."""
        return name not in self._bound and name not in self.targets and not self._layers.is_request(name)

    def is_inside(self, tool: str) -> bool:
        """Whether the running code is inside of this tool, which was let through."""
        return self._layers.is_inside(tool)

    @contextmanager
    def inside(
        self, tool: str, *, is_marked: bool = True, may_be_real: bool = False, span_id: str = ""
    ) -> Iterator[None]:
        """A tool that was let through runs in here. The session fails when nothing in it is answered.

        Where `is_marked`, its own calls in here are not caught again: not so where it is bound to a function, which is
        to answer, nor in a generator, which shares its context with whoever it yields to. `may_be_real`: the settings
        allow that nothing answers; `span_id` is then that of the call.
        """
        before = self._calls
        try:
            with self._layers.inside(tool) if is_marked else nullcontext():
                yield
        finally:
            if self._calls == before and not may_be_real and not self.is_over:
                self.fail(
                    f"`{tool}` ran for real in turn {self.turn}: nothing is recorded for it, and it made no call that "
                    "a recording could answer. Record it, or bind the name that is recorded to it with `tools:`"
                )

    def function_seen(
        self, tool: str, function: Any, is_method: bool, misfit: Callable[[Any, Any], str | None]
    ) -> None:
        """A function was found to be this tool; see `Staleness.function_seen`."""
        if self.staleness is not None:
            self.staleness.function_seen(tool, function, is_method, misfit)

    # -- tool calls

    def call_tool(
        self,
        tool: str,
        args: Mapping[str, Any],
        *,
        channel: str,
        defaults: dict[str, Any] | None = None,
        call_id: str | None = None,
        is_agent: bool = False,
        code: Sequence[Any] = (),
    ) -> Served:
        """Answers a call of a tool. Raises `StopReplay` when the session was ended or calls too much.

        `args` are what the agent gave (values without a JSON form are left out: they are injected state), `defaults`
        the JSON values that the signature gives to the rest. A tool that `is_agent` runs where it is not recorded
        itself: what it calls is. So does one whose `code` leads to a call that is recorded.
        """
        given = arguments_to_json(args)
        with self._lock:
            if not self._book.knows(tool) and self._is_let_through(tool, code, is_agent):
                self.passes(tool, args, call_id=call_id)
                return Served(inside=True)
            named = self._book.named(tool, given)
            if named is not given:
                unset = unset_fields(args.values()).intersection(named)
                defaults = {**(defaults or {}), **{name: named[name] for name in unset}}
                given = {name: value for name, value in named.items() if name not in unset}
            call = self._begin(tool, given, channel, call_id, defaults)
            match = self._book.match(tool, given, defaults, call_id)
            if match.entry is None:
                return self._not_recorded(call, match)
            response = match.entry.response
            self._count_again(call, match)
            if match.unsaid or match.out_of_step is not None:
                self._note_doubts(call, match, match.unsaid)
            call.parallel = self.clock.spend(response.latency_ms or 0.0)
            status = response.status
            raised = response.error is not None or (status is not None and (status == 0 or status >= 400))
            self._end(call, match, failed=raised)
        return Served(response, span_id=call.span_id, pause=self._pause(response.latency_ms, call.span_id))

    def passes(self, tool: str, args: Mapping[str, Any], *, call_id: str | None = None) -> None:
        """A tool that was let through, or a step of a framework's own: no call, but the model is told its result."""
        view = ToolCallView(self.turn, tool, arguments_to_json(args), call_id, None, self.clock.now_ms())
        with self._lock:
            self._passed.append(view)

    def _is_let_through(self, tool: str, code: Sequence[Any], is_agent: bool) -> bool:
        if self.turn == 0 or tool in self.targets or self._stop is not None:
            return False

        def leads_to(name: str) -> bool:
            if self._http.has_route(name):
                return True
            return self._reaches is not None and self._reaches(tool, code, name, is_function=self._is_function(name))

        return self._layers.lets_through(tool, leads_to, is_agent=is_agent)

    def _is_function(self, name: str) -> bool:
        return name in self.targets or self.bindings.get(name, "").startswith("function")

    def piece(self, value: Any) -> Any:
        """What a real tool has yielded, as it is now: some yield the same list again and again."""
        return to_json(value)

    def tool_finished(self, served: Served, tool: str, result: Any = None, error: BaseException | None = None) -> None:
        """Records the outcome of a real tool that the settings let run."""
        payload: dict[str, Any] = {"tool": tool, "call_id": None, "live": True}
        if error is not None:
            self._emit("tool_failed", {**payload, "error": describe(error)}, served.span_id)
        else:
            value = to_json(result)
            self._emit("tool_completed", {**payload, "result": None if value is OPAQUE else value}, served.span_id)

    def _pause(self, latency_ms: float | None, span_id: str) -> Pause | None:
        if not latency_ms:
            return None
        seconds, factor = latency_ms / 1000, self.settings.latency
        return Pause(self, span_id, seconds * factor, seconds * max(0.0, 1 - factor))

    def waits(self, seconds: float) -> Pause:
        """A client waits before it tries again: so long, in virtual time."""
        with self._lock:
            self.clock.spend(seconds * 1000)
        factor = self.settings.latency
        return Pause(self, "", seconds * factor, seconds * max(0.0, 1 - factor))

    def cut_short(self, span_id: str, after_ms: float) -> None:
        """The agent gave a call up before its recorded latency had passed."""
        with self._lock:
            event = next((e for e in reversed(self.trace.events) if e.span_id == span_id), None)
            if event is None or not event.type.endswith(("_completed", "_failed")):
                return
            begun = next(e for e in self.trace.events if e.span_id == span_id)
            recorded_ms = event.time_ms - begun.time_ms
            self.clock.give_back(max(0.0, recorded_ms - after_ms))
            event.type = f"{event.type.partition('_')[0]}_failed"
            event.time_ms = begun.time_ms + after_ms
            text = f"given up after {after_ms:,.0f} ms (recorded: {recorded_ms:,.0f} ms)"
            event.payload["error"] = {"type": "asyncio.CancelledError", "message": text}

    def _begin(
        self,
        tool: str,
        args: dict[str, Any],
        channel: str,
        call_id: str | None,
        defaults: Mapping[str, Any] | None = None,
    ) -> _Call:
        self._count()
        call = _Call(tool, args, call_id, channel, f"s{next(self._spans)}")
        payload = {"tool": tool, "args": args, "call_id": call_id, "channel": channel}
        left_out = {name: value for name, value in defaults.items() if name not in args} if defaults else None
        if left_out:
            payload["defaults"] = left_out
        self._emit("tool_called", payload, call.span_id)
        return call

    def _count(self) -> None:
        if self._stop is not None:
            raise self._stop
        self._calls += 1
        self._calls_this_turn += 1
        if self._calls_this_turn > self.settings.max_calls:
            raise self.stop(
                f"the agent made more than {self.settings.max_calls} tool and model calls in turn {self.turn} and was "
                "stopped (`replay_max_calls` sets the limit)"
            )

    def _end(self, call: _Call, match: Match, *, failed: bool, error: dict[str, Any] | None = None) -> None:
        entry = match.entry
        assert entry is not None
        response = entry.response
        spec = response.error_spec if response.error is not None else None
        payload: dict[str, Any] = {
            "tool": call.tool,
            "call_id": call.call_id,
            "result": response.response if response.stream is None else response.stream,
            "status": response.status,
            "recording": {"turn": entry.ref.turn, "index": entry.ref.index},
        }
        if error is not None or spec is not None:
            payload["error"] = error or {"type": spec.type if spec else None, "message": spec.message if spec else ""}
        if response.failed:
            payload["failed"] = True
        if response.origin == "added":
            payload["origin"] = "added"
        if match.again:
            payload["served_again"] = True
        if call.parallel:
            payload["parallel"] = True
        self._emit("tool_failed" if failed else "tool_completed", payload, call.span_id)

    def _count_again(self, call: _Call, match: Match) -> None:
        if not match.again or match.entry is None:
            return
        key = (self.turn, match.entry.ref, match.key)
        again = self.findings.served_again.get(key)
        if again is None:
            again = _ServedAgain(call.tool, call.args, self.turn, match.entry.ref)
            self.findings.served_again[key] = again
        again.times += 1

    def _note_doubts(self, call: _Call, match: Match, unsaid: Sequence[str]) -> None:
        """Where the answer may be another call's; who writes a file by hand says with it what fits."""
        entry, between = match.entry, match.out_of_step
        if entry is None or entry.response.origin != "production" or not self.replay.is_recorded:
            return
        asked = f"{call.tool}({_arguments(call.args)})"
        if unsaid:
            self.note(
                f"{asked} was answered by a recording of a call without {', '.join(f'`{name}`' for name in unsaid)}: "
                "record the new call, or refuse such calls with `matching: {args: exact}`"
            )
        if between is not None:
            when, so = ("before", "called") if between.served_this_turn else ("after", "not called")
            self.note(
                f"{asked} got the answer that production was given {when} "
                f"{between.response.tool}({_arguments(between.response.args or {})}), which this run has {so} by then: "
                "the other answer to the same call differs"
            )

    def _not_recorded(self, call: _Call, match: Match) -> Served:
        # at turn 0 the agent's module is being imported: refused, but a part of no turn that could be judged
        policy = self.rules(call.tool).unrecorded if self.turn else "error"
        if policy == "live":
            self.note(f"`{call.tool}` ran for real, because `unrecorded: live` allows it")
            return Served(live=True, span_id=call.span_id)
        message = f"unrecorded call in turn {self.turn}: {call.tool}({_arguments(call.args)}): {match.why_not}"
        nearest = [
            {
                "recording": {"turn": near.entry.ref.turn, "index": near.entry.ref.index},
                "args": near.entry.response.args,
                "differences": near.differences,
                "used": near.entry.served > 0,
            }
            for near in match.nearest
        ]
        if policy == "fail":
            self.findings.unrecorded.append(
                UnrecordedCall(self.turn, call.tool, call.args, call.channel, nearest, message)
            )
        payload = {"tool": call.tool, "call_id": call.call_id, "error": {"type": None, "message": message}}
        self._emit("tool_unrecorded", payload, call.span_id)
        return Served(unrecorded=message, span_id=call.span_id)

    # -- HTTP

    def handle_http(self, request: HttpRequest) -> HttpReply | PassThrough:
        """Answers an HTTP request: a model call, telemetry, or a tool call. Raises like `call_tool`."""
        if is_outside_replay():
            return PassThrough()
        routed = self._http.routed(request)
        if routed is not None:
            tool, captures = routed
            return self._http_tool(tool, {**arguments_of(request), **captures}, request, "by route")
        # a name that the file records goes before what the request looks like
        named = self._http.named(request, self._bound)
        if named is not None:
            return self._http_tool(named, arguments_of(request), request, "by URL")
        allowed = self._host_is_allowed(urlsplit(request.url).hostname or "")
        model_request = _recognise(request, is_known_host=allowed)
        if model_request is not None:
            return self._model_call(model_request)
        if _is_token_request(request):
            return self._access_token(request)
        if is_telemetry(request):
            return HttpReply(status=200, headers=[("content-type", "application/json")], body=b"{}")
        if allowed:
            self.has_gone_live = True
            return PassThrough()
        parts = urlsplit(request.url)
        name = f"{request.method} {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        return self._http_tool(name, arguments_of(request), request, None)

    def _http_tool(
        self, tool: str, args: dict[str, Any], request: HttpRequest, how: str | None
    ) -> HttpReply | PassThrough:
        with self._lock:
            if how is not None:
                self.bindings[tool] = f"{request.client}, {how}"
            call = self._begin(tool, args, request.client, None)
            match = self._book.match(tool, args)
            if match.entry is None:
                served = self._not_recorded(call, match)
                if served.live:
                    return self._live_http(served, tool)
                return HttpReply(failure="refused", message=served.unrecorded)
            response = match.entry.response
            self._count_again(call, match)
            if match.unsaid or match.out_of_step is not None:
                # what other sources recorded is what the tool was given, which need not be all of its request
                is_whole = isinstance(self.replay.source, Source) and self.replay.source.type == "capture"
                self._note_doubts(call, match, match.unsaid if is_whole else ())
            call.parallel = self.clock.spend(waited_ms(response.latency_ms, request))
            reply = reply_for(response, request)
            reply.pause = self._pause(waited_ms(response.latency_ms, request), call.span_id)
            error = None
            if reply.failure is not None:
                error = {"type": reply.failure, "message": reply.message or _failure_text(reply, response, request)}
            elif reply.exception is not None:
                error = describe(reply.exception)
            self._end(call, match, failed=error is not None or reply.status >= 400, error=error)
        return reply

    def _live_http(self, served: Served, tool: str) -> PassThrough:
        self.has_gone_live = True

        def observe(status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            text = body.decode("utf-8", "backslashreplace")
            error = ReplayError(f"status {status}") if status >= 400 else None
            self.tool_finished(served, tool, text, error)

        return PassThrough(observe, lambda error: self.tool_finished(served, tool, error=error))

    def _host_is_allowed(self, host: str) -> bool:
        return any(fnmatchcase(host, pattern) for pattern in self.settings.allow_hosts)

    @property
    def may_start_processes(self) -> bool:
        """Whether the agent may start processes: only without the egress guard."""
        return self.settings.network == "allow"

    def thread_started(self, thread: threading.Thread) -> None:
        """A thread of this session is about to be started."""
        self.clock.thread_started(thread)

    def thread_joined(self, thread: threading.Thread) -> None:
        """Somebody in this session waited for the end of a thread."""
        self.clock.thread_joined(thread)

    def check_connection(self, host: str, port: int | None) -> Exception | None:
        """Egress guard: None when a raw connection may be opened, else the error to raise (already noted)."""
        if self.settings.network == "allow" or is_outside_replay() or self._host_is_allowed(host):
            return None
        where = f"{host}:{port}" if port else host
        message = (
            f"a connection to {where} was refused: no replay interceptor covers the client that opened it. "
            "Record that call as a tool, allow the host (`replay_allow_hosts`), or lift the guard with "
            "`--replay-network=allow`"
        )
        if self.turn and not is_telemetry_host(host):
            self.fail(message)
        return ConnectionRefusedError(111, message)

    # -- the model

    def _model_call(self, request: ModelRequest) -> HttpReply | PassThrough:
        with self._lock:
            self._count()
            span = self._next_span()
            tools = [str(tool.get("name")) for tool in request.tools]
            self._emit("llm_called", {"model": request.model, "messages": request.messages, "tools": tools}, span)
            if tools:
                self._told_tools.update(zip(tools, request.tools, strict=True))
                self.offered(tools)
                self._check_schemas(request)
            self._check_tool_messages(request)
            decision = self._llm_player().decide(request)
            for note in decision.notes:
                self.note(note)
            if decision.kind == "inconclusive":
                self._emit(
                    "llm_unrecorded", {"model": request.model, "error": {"type": None, "message": decision.text}}, span
                )
                raise self.stop(decision.text, inconclusive=True)
            if decision.kind == "live":
                self._check_live_host(request)
                self.note(f"the model was asked for real, at {urlsplit(request.http.url).hostname}")
                return self._live_model(request, span)
            return self._recorded_answer(request, decision.answer, decision.ref, span)

    def _access_token(self, request: HttpRequest) -> HttpReply | PassThrough:
        """What a client needs to ask a model; a real one only where the model may be a real one."""
        if self._llm_player().may_go_live:
            self.note(f"an access token was asked for, at {urlsplit(request.url).hostname}")
            return PassThrough()
        from pytest_agent_replay.llm.tokens import token_reply

        return token_reply(request)

    def _check_schemas(self, request: ModelRequest) -> None:
        if self.staleness is not None:
            for tool in request.tools:
                self.staleness.schema_seen(str(tool.get("name")), tool.get("parameters"))

    def _llm_player(self) -> Any:
        if self._llm is None:
            from pytest_agent_replay.llm.player import LlmPlayer

            self._llm = LlmPlayer(self.replay, self.settings.llm)
            self._llm.begin_turn(self.turn)
        return self._llm

    def _check_tool_messages(self, request: ModelRequest) -> None:
        from pytest_agent_replay.llm.tool_messages import as_if_repeated, foreign_tool_results

        if request.continues:
            answers = [event.payload for event in self.trace.of_type("llm_completed")]
            request = as_if_repeated(request, answers, self._told_tools.values())
        for message in foreign_tool_results(request, [*self.trace.tool_calls, *self._passed], self._book.knows):
            self.fail(message)

    def _recorded_answer(
        self, request: ModelRequest, answer: LlmResponse, ref: RecordingRef | None, span: str
    ) -> HttpReply:
        recording = {"turn": ref.turn, "index": ref.index} if ref is not None else None
        waited = waited_ms(answer.latency_ms, request.http)
        self.clock.spend(waited)
        failure = timeout_failure(answer.latency_ms, request.http)
        reply = HttpReply(failure=failure) if failure is not None else request.wire.render(answer, request)
        reply.pause = self._pause(waited, span)
        error: dict[str, Any] | None = None
        if reply.failure is not None:
            error = {"type": reply.failure, "message": reply.message or reply.failure}
        elif reply.exception is not None:
            error = describe(reply.exception)
        elif reply.status >= 400 or answer.error is not None:
            message = answer.error if isinstance(answer.error, str) else getattr(answer.error, "message", "")
            error = {"type": None, "message": message or f"status {reply.status}"}
        if error is not None:
            payload = {
                "error": error,
                "status": reply.status if reply.failure is None else None,
                "recording": recording,
            }
            self._emit("llm_failed", payload, span)
        else:
            self._emit("llm_completed", {**answer_payload(answer), "recording": recording}, span)
        return reply

    def _check_live_host(self, request: ModelRequest) -> None:
        """A file's `overrides` may not lead the agent, with the user's key, to a host of the file's choice."""
        host = urlsplit(request.http.url).hostname or ""
        if host and host in repr(self.replay.overrides or "") and not self._host_is_allowed(host):
            raise self.stop(
                f"the model request would go to {host}, which the file's `overrides` name: allow it with "
                "`replay_allow_hosts`, or give the overrides by the `replay_overrides` fixture"
            )

    def _live_model(self, request: ModelRequest, span: str) -> PassThrough:
        self.has_gone_live = True
        self.in_flight += 1

        def observe(status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.in_flight -= 1
            answer = request.wire.read(status, body, request)
            if status >= 400 or (answer is not None and answer.error is not None):
                message = answer.error if answer is not None and isinstance(answer.error, str) else f"status {status}"
                self._emit("llm_failed", {"error": {"type": None, "message": message}, "status": status}, span)
            else:
                payload = answer_payload(answer) if answer is not None else {"content": None, "tool_calls": []}
                self._emit("llm_completed", payload, span)

        def failed(error: BaseException) -> None:
            self.in_flight -= 1
            self._emit("llm_failed", {"error": describe(error)}, span)

        return PassThrough(observe, failed)

    # -- events

    def _next_span(self) -> str:
        return f"s{next(self._spans)}"

    def _emit(self, type_: str, payload: dict[str, Any], span: str | None, parent: str | None = "") -> None:
        if self.is_over:
            return
        event = Event(type_, self.turn, self.clock.now_ms(), payload, span, self._turn_span if parent == "" else parent)
        self.trace.events.append(event)
        if self._hooks is not None:
            self._run_hooks(self._hooks, event)

    @staticmethod
    def _run_hooks(hooks: StepHooks, event: Event) -> None:
        if event.type in ("run_started", "tool_called", "llm_called"):
            hooks.before_step(event)
            return
        if event.type.endswith(("_failed", "_unrecorded")):
            hooks.step_error(event)
        hooks.after_step(event)


def _is_request(http: HttpTools, in_url: Callable[[str], bool] | None) -> Callable[[str], bool]:
    return lambda name: http.has_route(name) or (in_url is not None and in_url(name))


def _failure_text(reply: HttpReply, response: ToolResponse, request: HttpRequest) -> str:
    waited = waited_ms(response.latency_ms, request)
    if reply.failure in ("read_timeout", "total_timeout", "connect_timeout") and waited:
        return f"{request.client} gave up after {waited:,.0f} ms (recorded: {response.latency_ms:,.0f} ms)"
    return f"{request.client}: {str(reply.failure).replace('_', ' ')}"


def answer_payload(answer: LlmResponse) -> dict[str, Any]:
    """The payload of an `llm_completed` event."""
    calls = [
        {"id": c.id, "name": c.name, "args": c.args if c.args is not None else c.raw_args} for c in answer.tool_calls
    ]
    usage = answer.usage.model_dump(exclude_none=True) if answer.usage else None
    return {
        "content": answer.content,
        "tool_calls": calls,
        "usage": usage,
        "cost": answer.usage.cost if answer.usage else None,
    }


def describe(error: BaseException) -> dict[str, Any]:
    """`{type, message}` of an exception, with the type's dotted name."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    try:
        message = str(error)
    except Exception as broken:
        message = f"(its text cannot be had: {type(broken).__name__})"
    return {"type": name, "message": message}


def _recognise(request: HttpRequest, *, is_known_host: bool) -> ModelRequest | None:
    from pytest_agent_replay.llm.recognise import recognise

    return recognise(request, is_known_host=is_known_host)


def _is_token_request(request: HttpRequest) -> bool:
    from pytest_agent_replay.llm.tokens import is_token_request

    return is_token_request(request)


def _arguments(args: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={short(value, 60)}" for key, value in args.items())
