"""Replay + agent + contract → result: the one place where the pieces meet. pytest is not needed here."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_agent_replay.agents.adapters import AgentAdapter
from pytest_agent_replay.agents.answers import other_shape, read_answer, said
from pytest_agent_replay.agents.frameworks import adapter_of
from pytest_agent_replay.agents.load import load_agent
from pytest_agent_replay.agents.loop import end_tasks
from pytest_agent_replay.agents.model import Agent, TurnInput
from pytest_agent_replay.agents.resolve import root_importable
from pytest_agent_replay.contracts.case import SessionView
from pytest_agent_replay.contracts.verdict import Services, Verdict, evaluate, failing, reproduces
from pytest_agent_replay.errors import AgentError, StopReplay
from pytest_agent_replay.formats.replay import RecordingRef, ReplayFile, ToolResponse, Turn
from pytest_agent_replay.intercept import built_in_interceptors
from pytest_agent_replay.intercept.background import settle
from pytest_agent_replay.intercept.binding import Binder
from pytest_agent_replay.intercept.registry import Interceptor, install
from pytest_agent_replay.player.current import started_by
from pytest_agent_replay.player.session import Session, StepHooks, describe
from pytest_agent_replay.player.telemetry import telemetry_switched_off
from pytest_agent_replay.player.values import covers, short
from pytest_agent_replay.report.results import InvariantResult, ReplayResult, TurnResult
from pytest_agent_replay.settings import Settings
from pytest_agent_replay.trace.model import ToolCallView

if TYPE_CHECKING:
    from pytest_agent_replay.agents.adapters import AgentAdapter
    from pytest_agent_replay.contracts.resolve import BoundContract
    from pytest_agent_replay.player.wall_clock import WallClock

__all__ = ["Case", "RunHooks", "run_replay", "run_replay_async"]


@dataclass(slots=True)
class RunHooks:
    """What a project adds to every run."""

    steps: StepHooks | None = None
    interceptors: Sequence[Interceptor] = ()
    agents: Sequence[AgentAdapter] = ()
    outcomes: tuple[type[BaseException], ...] = ()
    """Exceptions by which a test runner ends or skips a test: they are not the agent's."""


@dataclass(slots=True)
class Case:
    """One replay to run, with everything that it needs."""

    replay: ReplayFile
    id: str
    path: Path
    root: Path
    agent: Any
    """An agent object, a reference `pkg.mod:name`, or an endpoint mapping; see `agents`."""
    agent_origin: str = "argument"
    """Who named the agent, for messages. A reference from the `file` is untrusted."""
    contract: BoundContract | None = None
    settings: Settings = field(default_factory=Settings)
    services: Services = field(default_factory=Services)
    hooks: RunHooks | None = None
    file: str = ""
    """The path as shown; default: relative to the root."""


def run_replay(case: Case) -> ReplayResult:
    """Runs the agent against the recording and judges what it did.

    What the agent, the contract or the recording do wrong is in the result. Raises `ReplayError` for mistakes of the
    user (no such agent, an ambiguous tool); `KeyboardInterrupt` and the like pass through. Whatever happens, every
    patch is undone before this returns.
    """
    run = _Run(case)
    with run.prepared():
        run.play()
    return run.result()


async def run_replay_async(case: Case) -> ReplayResult:
    """`run_replay` on the running event loop. A synchronous agent blocks that loop while it runs."""
    run = _Run(case)
    with run.prepared():
        await run.play_async()
    return run.result()


class _Run:
    def __init__(self, case: Case) -> None:
        self.case = case
        self.replay = case.replay
        self.session_id = f"replay-{os.urandom(16).hex()}"
        self.history: list[dict[str, Any]] = []
        self.turns: list[TurnResult] = []
        self.agent: Any = None
        self.session: Session = None  # type: ignore[assignment]  # set by `prepared`
        self.binder: Binder = None  # type: ignore[assignment]
        self.clock: WallClock | None = None
        self.verdict: Verdict | None = None

    # -- around the run

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """Everything that must be undone: variables, import path, patches, the session."""
        case, hooks = self.case, self.case.hooks or RunHooks()
        keys, clock = _keys_for(self.replay, case.settings), self._recorded_date()
        with clock, telemetry_switched_off(), keys, root_importable(case.root):
            self.session = Session(
                self.replay,
                case.settings,
                label=case.id,
                bind=lambda session, names: self.binder.bind_offered(session, names),
                in_url=lambda name: self.binder.in_url(name),
                reaches=lambda *args, **kwargs: self.binder.reaches(*args, **kwargs),
                hooks=hooks.steps,
            )
            with install((*built_in_interceptors(), *hooks.interceptors)), self.session:
                # inside the session: what the agent's modules do while they are imported must not be real either
                self.agent = _agent(case, hooks.agents)
                self._refuse_pretence()
                self.session.trace.metadata["agent"] = self.agent.name
                self.binder = Binder(
                    str(case.root),
                    self.agent.module_names,
                    entry=getattr(self.agent, "entry", None),
                    allow_modules=case.settings.allow_modules,
                    is_agent=lambda obj: adapter_of(obj) is not None,
                )
                with self.binder.active(self.session):
                    yield

    def _recorded_date(self) -> AbstractContextManager[Any]:
        if self.replay.clock in (None, "real"):
            return nullcontext()
        from pytest_agent_replay.player.wall_clock import WallClock, recorded_time

        start = recorded_time(self.replay)
        assert start is not None
        self.clock = WallClock(start)
        return self.clock

    def _refuse_pretence(self) -> None:
        if getattr(self.agent, "is_remote", False) and any(True for _ in self.replay.all_recordings()):
            raise AgentError(
                f"{self.case.id}: the agent {self.agent.name} runs behind a remote endpoint, where its tools cannot be "
                "answered from the recording. Run the agent in this process (a function, or its ASGI app), or remove "
                "`tool_responses`"
            )

    # -- the conversation

    def play(self) -> None:
        """Plays the turns; an async agent brings its own loop."""
        conversation: Any = None
        try:
            for number, turn in self._turns():
                given = self._begin(number, turn)
                if given is None:
                    break
                try:
                    if conversation is None:
                        conversation = self.agent.start(given)
                        self.binder.bind_recorded(self.session)
                    answer = conversation.ask(given)
                except AgentError:
                    raise
                except BaseException as error:
                    if self._is_not_the_agents(error):
                        raise
                    self._raised(number, turn, error)
                else:
                    self._answered(number, turn, answer)
        finally:
            if conversation is not None:
                conversation.close()
        for pause in settle(self.session):
            time.sleep(pause)

    async def play_async(self) -> None:
        """Plays the turns on the running loop."""
        import asyncio

        from pytest_agent_replay.player.virtual_loop import follow

        if asyncio._get_running_loop() is None:
            raise AgentError(
                "`arun()` runs on asyncio, and no event loop of asyncio is running here: where the test runs on trio, "
                "choose the other backend (a fixture `anyio_backend` that returns 'asyncio')"
            )
        follow(self.session)
        before = asyncio.all_tasks()
        conversation: Any = None
        try:
            for number, turn in self._turns():
                given = self._begin(number, turn)
                if given is None:
                    break
                try:
                    if conversation is None:
                        conversation = self.agent.start(given)
                        self.binder.bind_recorded(self.session)
                    answer = await conversation.ask_async(given)
                except AgentError:
                    raise
                except BaseException as error:
                    if self._is_not_the_agents(error) or _is_cancelled(error):
                        raise
                    self._raised(number, turn, error)
                else:
                    self._answered(number, turn, answer)
        finally:
            if conversation is not None:
                await conversation.aclose()
        await end_tasks([task for task in asyncio.all_tasks() - before if started_by(self.session, task)])
        for pause in settle(self.session):
            await asyncio.sleep(pause)

    def _turns(self) -> Iterator[tuple[int, Turn]]:
        """The turns to play, until the agent raised or the session was stopped."""
        for number, turn in enumerate(self.replay.turn_list, 1):
            if not turn.is_played:
                self.history += [_in_history(message) for message in deepcopy(turn.messages)]
                continue
            yield number, turn
            if self.session.is_stopped or self.turns[-1].error is not None:
                return

    def _begin(self, number: int, turn: Turn) -> TurnInput | None:
        """What the agent is asked; None when a step hook refused the turn, which the session has noted."""
        context = turn.context if turn.given("context") else self.replay.context
        if self.clock is not None:
            self.clock.begin_turn(turn)
        shown = context if number == 1 or turn.given("context") else None
        try:
            self.session.begin_turn(number, input=turn.input, context=shown)
        except StopReplay as refusal:
            self._raised(number, turn, refusal)
            return None
        self.binder.bind_recorded(self.session)
        return TurnInput(
            # what the agent does to them must change neither what answers are judged by nor a later turn
            input=deepcopy(turn.input),
            context=deepcopy(context),
            history=deepcopy(self.history),
            session_id=self.session_id,
            replay=self.replay,
            overrides={**self.case.settings.overrides, **deepcopy(self.replay.overrides or {})},
            turn=number,
        )

    def _answered(self, number: int, turn: Turn, value: Any) -> None:
        try:
            answer = read_answer(value)
        except AgentError as error:
            self._raised(number, turn, error)
            self.session.fail(str(error))
            return
        with suppress(StopReplay):  # from a step hook, and noted: the turn is over anyway
            self.session.end_turn(output=answer.output, usage=answer.usage)
        self._add_turn(number, turn, output=answer.output)
        self.history += [
            {"role": "user", "content": turn.input},
            *_model_exchange(self.session, number, turn.input),
            {"role": "assistant", "content": said(answer.output)},
        ]
        shape = other_shape(turn.output, answer.output)
        if shape is not None:
            self.session.note(shape)

    def _is_not_the_agents(self, error: BaseException) -> bool:
        """Whether an exception is somebody else's, who wants the whole run to end or the test to be skipped."""
        outcomes = self.case.hooks.outcomes if self.case.hooks is not None else ()
        others: tuple[type[BaseException], ...] = (KeyboardInterrupt, *outcomes)
        if isinstance(error, others):
            return True
        # a task group wraps what ended one of its tasks
        return not self.session.is_stopped and any(isinstance(e, others) for e in getattr(error, "exceptions", ()))

    def _raised(self, number: int, turn: Turn, error: BaseException) -> None:
        with suppress(StopReplay):
            self.session.end_turn(error=error)
        self._add_turn(number, turn, error=describe(error))
        if not isinstance(error, (StopReplay, AgentError)):
            from pytest_agent_replay.agents.places import places_of

            self.turns[-1].raised_at = places_of(error, self.case.root)

    def _add_turn(self, number: int, turn: Turn, *, output: Any = None, error: dict[str, Any] | None = None) -> None:
        self.turns.append(TurnResult(number, turn.input, output, turn.output, turn.given("output"), error))

    # -- the result

    def result(self) -> ReplayResult:
        """Judges the finished run."""
        case, session, findings = self.case, self.session, self.session.findings
        view = SessionView(session.trace, self.replay, case.services, tags=self.replay.tags)
        calls = view.all_calls
        unused = session.unused()
        result = ReplayResult(
            id=case.id,
            file=_shown(case),
            outcome="passed",
            name=self.replay.name,
            tags=list(self.replay.tags),
            golden=self.replay.golden,
            contract=case.contract.name if case.contract is not None else None,
            expected_failure=self.replay.expected_failure,
            turns=self.turns,
            tool_calls=[_call_row(call) for call in calls],
            unrecorded=findings.unrecorded,
            unused=[
                {"tool": response.tool, "args": response.args, "recording": ref._asdict(), "origin": response.origin}
                for ref, response in unused
                if session.rules(response.tool).unused != "ignore"
            ],
            served_again=[
                {"tool": a.tool, "args": a.args, "turn": a.turn, "times": a.times, "recording": a.ref._asdict()}
                for a in findings.served_again.values()
            ],
            notes=list(findings.notes),
            simulated_ms=session.clock.simulated_ms,
            measured_ms=_measured(session),
            usage=_usage(session),
            bindings=dict(session.bindings),
            trace=session.trace,
        )
        result.notes += [*_never_seen(session, unused), *_reminders(self.replay), *session.model_notes()]
        result.notes += _texts_of_data(calls, self.turns)
        result.diverged_at = _diverged_at(self.replay, calls, self.turns)
        if findings.inconclusive is None:
            self._judge(result, view)
        self._conclude(result)
        return result

    def _judge(self, result: ReplayResult, view: SessionView) -> None:
        contract = self.case.contract
        if contract is None:
            return
        fail_on = self.case.settings.fail_on
        self.verdict = evaluate(contract, view.trace, view.replay, view.services, fail_on=fail_on, session=view)
        result.invariants = self.verdict.invariants
        result.score = self.verdict.score
        result.notes += _mistyped(contract, self.session)
        original = view.original()
        result.reproduces, result.recorded_invariants = reproduces(
            contract, view.replay, view.services, fail_on=fail_on, session=original
        )
        if original.trace.failures() and not _expects_raise(contract, result.recorded_invariants):
            result.reproduces = "yes"  # as `_agent_failures` has it

    def _conclude(self, result: ReplayResult) -> None:
        reasons = list(self._failures(result))
        if reasons:
            result.outcome = "failed"
        else:
            reasons = list(self._doubts(result))
            if reasons:
                result.outcome = "inconclusive"
        result.reasons = reasons

    def _failures(self, result: ReplayResult) -> Iterator[str]:
        findings, settings = self.session.findings, self.case.settings
        # first what broke the run: invariants that fail in a broken run are its consequences
        yield from (call.message for call in result.unrecorded)
        yield from findings.problems
        yield from self._agent_failures(result)
        for invariant in failing(result.invariants, settings.fail_on):
            yield f"invariant {invariant.id} failed: {invariant.message}"
        for row in result.unused:
            # what was written by hand is an offer: no call has to take it
            if row["origin"] == "production" and self.session.rules(row["tool"]).unused == "fail":
                yield f"the recording of {row['tool']}({short(row['args'] or {})}) was never asked for (`unused: fail`)"
        if settings.require_red:
            if not self.replay.golden and result.reproduces == "no":
                yield (
                    "the contract holds on what production did: it would not have caught this incident "
                    "(`--replay-require-red`)"
                )
            if self.replay.golden and any(i.outcome in ("failed", "error") for i in result.recorded_invariants):
                yield "the contract fails on the golden recording itself (`--replay-require-red`)"

    def _agent_failures(self, result: ReplayResult) -> Iterator[str]:
        """An agent that raised failed, unless the contract expects just that (`completes` with `negate`)."""
        if all(turn.error is None for turn in self.turns):
            return
        if self.session.is_stopped or _expects_raise(self.case.contract, result.invariants):
            return
        for turn in self.turns:
            told = any(call.turn == turn.turn for call in result.unrecorded)
            if turn.error is not None and not (told and turn.error["type"].endswith(".UnrecordedCallError")):
                where = f" at {turn.raised_at[-1]}" if turn.raised_at else ""
                what = f": {turn.error['message']}" if turn.error["message"] else ""
                yield f"the agent raised {turn.error['type']} in turn {turn.turn}{where}{what}"

    def _doubts(self, result: ReplayResult) -> Iterator[str]:
        if self.session.findings.inconclusive is not None:
            yield self.session.findings.inconclusive
        elif self.case.contract is None:
            yield "the replay has no contract: nothing was checked. Add `contract:` with at least one invariant"
        elif self.verdict is not None and self.verdict.outcome == "inconclusive":
            unknown = next((i for i in result.invariants if i.outcome == "error"), None)
            if unknown is not None:
                yield f"nothing was checked: no invariant could be evaluated; {unknown.id}: {unknown.message}"
            else:
                yield "nothing was checked: the contract is empty, or the `when` of every invariant did not hold"
        elif not self.turns:
            yield "nothing was run: no turn of the replay has an `input`"
        else:
            yield from self._out_of_sight()

    def _out_of_sight(self) -> Iterator[str]:
        """Recorded tools that the agent may have called for real: its code names them, and nothing was found to answer.

        Where a model was asked, a result that was not served was seen when the model was told it.
        """
        session = self.session
        if any(event.type == "llm_called" for event in session.trace.events):
            return
        unused = session.unused()
        for name in _unseen(session, unused) if unused else ():
            place = self.binder.place_of(name) if session.rules(name).unused != "ignore" else None
            if place is not None:
                yield (
                    f"`{name}` is recorded, and the agent's code has it ({place}), but no function or request of that "
                    "name was found to be answered: the real one may have run. Bind it "
                    f"(`tools: {{{name}: pkg.mod:function}}`); or, where it is not to be called, say "
                    f"`matching: {{tools: {{{name}: {{unused: ignore}}}}}}`"
                )


# -- helpers


def _expects_raise(contract: BoundContract | None, results: Iterable[InvariantResult]) -> bool:
    """Whether it is what the contract demands that the agent raised: `completes` with `negate`."""
    negated = {each.id for each in contract.invariants if each.params.negate} if contract is not None else set()
    return any(each.type == "completes" and each.id in negated and each.outcome == "passed" for each in results)


def _is_cancelled(error: BaseException) -> bool:
    """Whether the task that runs the replay was cancelled, and not one of the agent's (unknown before Python 3.11)."""
    import asyncio

    if not isinstance(error, asyncio.CancelledError):
        return False
    task: Any = asyncio.current_task()
    return not hasattr(task, "cancelling") or task.cancelling() > 0


def _agent(case: Case, adapters: Sequence[AgentAdapter]) -> Agent:
    if case.agent is None:
        raise AgentError(
            f"{_shown(case)}: no agent to replay against. Give `--replay-agent pkg.mod:name`, a `replay_agent` "
            "fixture, `replay_agent` in the ini file, or `agent:` in the replay file"
        )
    trusted = case.agent_origin != "file"
    return load_agent(
        case.agent,
        root=case.root,
        trusted=trusted,
        where=case.agent_origin if trusted else _shown(case),
        allow_modules=case.settings.allow_modules,
        allow_hosts=case.settings.allow_hosts,
        adapters=adapters,
    )


def _keys_for(replay: ReplayFile, settings: Settings) -> AbstractContextManager[None]:
    """Where the model's answers are recorded, its client needs a key, and any will do."""
    is_recorded = bool(replay.llm_responses) or any(turn.llm_responses for turn in replay.turn_list)
    if settings.llm == "live" or not is_recorded:
        return nullcontext()
    from pytest_agent_replay.llm.env import placeholder_keys

    return placeholder_keys()


def _shown(case: Case) -> str:
    if not case.file:
        try:
            case.file = case.path.relative_to(case.root).as_posix()
        except ValueError:
            case.file = case.path.as_posix()
    return case.file


def _call_row(call: ToolCallView) -> dict[str, Any]:
    return {
        "turn": call.turn,
        "tool": call.tool,
        "args": call.args,
        "call_id": call.call_id,
        "channel": call.channel,
        "status": call.status,
        "failed": call.failed,
        "error": call.error,
        "recording": call.recording._asdict() if call.recording is not None else None,
        "unrecorded": call.unrecorded,
        "latency_ms": round((call.ended_ms or call.started_ms) - call.started_ms, 3),
    }


def _measured(session: Session) -> float:
    events = session.trace.events
    return max(0.0, (events[-1].time_ms if events else 0.0) - session.clock.simulated_ms)


def _in_history(message: dict[str, Any]) -> dict[str, Any]:
    return {**message, "content": said(message["content"])} if message["role"] == "assistant" else message


def _model_exchange(session: Session, turn: int, said: Any) -> list[dict[str, Any]]:
    """Tool calls and results between what the user said and the answer, as the turn's last model request held them.

    Empty when no model was asked, or its request is not a conversation that holds what the user said.
    """
    requests = [event for event in session.trace.of_type("llm_called") if event.turn == turn]
    messages = requests[-1].payload["messages"] if requests else []
    asked = [i for i, m in enumerate(messages) if m.get("role") == "user" and m.get("content") == said]
    return [dict(m) for m in messages[asked[-1] + 1 :] if m.get("role") in ("assistant", "tool")] if asked else []


def _reminders(replay: ReplayFile) -> Iterator[str]:
    """What the file asks for and this release does not do, and that it is too old."""
    if replay.forks:
        forks = "1 fork was" if len(replay.forks) == 1 else f"{len(replay.forks)} forks were"
        yield f"the file's {forks} not run: this release only checks them"
    if replay.expires is not None and _is_past(replay.expires):
        yield f"the file is out of date since {replay.expires} (`expires`): record it anew, or remove it"


def _is_past(time: str) -> bool:
    from datetime import datetime, timezone

    from pytest_agent_replay.formats.times import parse_time

    return parse_time(time) < datetime.now(timezone.utc)


def _never_seen(session: Session, unused: Sequence[tuple[RecordingRef, ToolResponse]]) -> list[str]:
    """Recorded tools of which nothing was found: if the agent called them all the same, they were the real ones."""
    # a run that was stopped had no chance to call what comes later
    names = _unseen(session, unused) if unused and not session.is_stopped else []
    if not names:
        return []
    example = next((name for name in names if name.isidentifier()), "NAME")
    return [
        f"recorded, but neither a function nor a request of that name was seen: {', '.join(f'`{n}`' for n in names)}; "
        "if the agent calls such a tool by another name, or from code that is outside of pytest's root, it was the "
        f"real one that ran: say so in `tools:` (`tools: {{{example}: pkg.mod:function}}`)"
    ]


def _unseen(session: Session, unused: Sequence[tuple[RecordingRef, ToolResponse]]) -> list[str]:
    """The names of production's tools that were not served, and for which nothing was found."""
    tools = {response.tool for _, response in unused if response.origin == "production"}
    recorded = [*session.recorded_names(), *session.recorded_globs()]
    return [name for name in recorded if name in tools and name not in session.bindings]


def _texts_of_data(calls: Iterable[ToolCallView], turns: Iterable[TurnResult]) -> list[str]:
    """Why an agent may have raised that was given the text of data: transcripts have what the model read."""
    broken = {turn.turn for turn in turns if turn.error is not None and turn.error["type"] in _OF_ANOTHER_TYPE}
    tools = [
        call.tool
        for call in calls
        if call.turn in broken and isinstance(call.result, str) and call.result.lstrip()[:1] in ("{", "[")
    ]
    return [
        f"`{tool}` answered with the text of data, as its recording has it: where it returns data, annotate the "
        "function (`-> dict`), or write `response:` as data"
        for tool in dict.fromkeys(tools)
    ]


_OF_ANOTHER_TYPE = ("TypeError", "AttributeError", "KeyError", "ValueError")
"""What code raises that was given a text instead of data."""


def _mistyped(contract: BoundContract, session: Session) -> Iterator[str]:
    """Tools of the contract that are known by a slightly other name only: a check of them may never fail."""
    known = {*session.recorded_names(), *session.bindings}
    unknown = [(invariant, name) for invariant, name in contract.tools_named if name not in known]
    if not unknown:
        return
    known.update(call.tool for call in session.trace.tool_calls)
    for event in session.trace.of_type("llm_called"):
        known.update(event.payload["tools"])
    for invariant, name in unknown:
        if name not in known:
            from difflib import get_close_matches

            for near in get_close_matches(name, sorted(known), 1, 0.8):
                yield f"invariant {invariant} names the tool `{name}`, which is not known; did you mean `{near}`?"


def _usage(session: Session) -> dict[str, Any]:
    totals: dict[str, Any] = {"input_tokens": 0, "output_tokens": 0, "cost": None}
    events = session.trace.of_type("llm_completed") or session.trace.of_type("run_completed")
    for event in events:
        usage = event.payload.get("usage") or {}
        for name in ("input_tokens", "output_tokens"):
            totals[name] += usage.get(name) or 0
        cost = event.payload.get("cost", usage.get("cost"))
        if cost is not None:
            totals["cost"] = (totals["cost"] or 0.0) + cost
    return totals


def _diverged_at(replay: ReplayFile, calls: list[ToolCallView], turns: Iterable[TurnResult]) -> int | None:
    """The first turn in which the run left the recording.

    That is: other tool calls than production made, no answer where it gave one, or a question where it gave none (and
    the other way round).
    """
    for turn in turns:
        recorded = [r for r in replay.turn_list[turn.turn - 1].tool_responses if r.origin == "production"]
        made = [call for call in calls if call.turn == turn.turn]
        if not _same_calls(recorded, made, shared=replay.turns is not None and bool(replay.tool_responses)):
            return turn.turn
        if turn.error is not None or (turn.has_baseline and _asks(turn.baseline) != _asks(turn.output)):
            return turn.turn
    return None


def _same_calls(recorded: list[Any], made: list[Any], *, shared: bool) -> bool:
    """Whether every recorded call was made, and no other. Repeats count once, and `shared` recordings excuse a call."""
    if any(call.unrecorded or call.added for call in made):
        return False
    names = set()
    for response in recorded:
        names.add(response.tool)
        if not any(call.tool == response.tool and covers(response.args or {}, call.args) for call in made):
            return False
    extra = [
        call for call in made if call.tool not in names and not (shared and call.recording and call.recording.turn == 0)
    ]
    return not extra


def _asks(text: Any) -> bool:
    return isinstance(text, str) and "?" in text[-200:]
