"""The text of a replay that did not pass: a result in, lines out.

The first line stands alone, because it is all that a short summary or a dashboard shows. The last lines say how to
relax what failed, and which option does it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_agent_replay.report.results import InvariantResult, ReplayResult, TurnResult, UnrecordedCall
from pytest_agent_replay.report.values import call, cut, one_line, plain, value

__all__ = ["details", "failure_text", "headline"]

HEADLINE = 150
"""Most characters of the first line."""
_VALUE = 400
_TURNS = 3
_CALLS = 12
_PLACES = 5
_LABEL = 12


def headline(result: ReplayResult) -> str:
    """One line: which replay, what failed, by what evidence."""
    reasons = result.reasons or [result.outcome]
    more = f" (+{len(reasons) - 1} more)" if len(reasons) > 1 else ""
    what = "inconclusive: " if result.outcome == "inconclusive" else ""
    head = f"{one_line(result.id, 60)}: {what}"
    return f"{head}{one_line(reasons[0], max(40, HEADLINE - len(head) - len(more)))}{more}"


def failure_text(result: ReplayResult, verbosity: int = 0) -> str:
    """All that a reader needs who sees nothing else. `verbosity` as in pytest: 1 adds details, 2 cuts nothing."""
    return "\n".join([headline(result), *_Text(result, verbosity).lines()])


def details(result: ReplayResult) -> str:
    """How tools were intercepted and which recording answered each call: what `-v` adds."""
    return "\n".join(_Text(result, 1).details())


class _Text:
    def __init__(self, result: ReplayResult, verbosity: int) -> None:
        self.result = result
        self.verbosity = verbosity
        self.limit = None if verbosity >= 2 else _VALUE
        self.was_cut = False
        self.first_line = headline(result)

    def lines(self) -> Iterator[str]:
        for part in (
            self.origin,
            self.reasons,
            self.turns,
            self.invariants,
            self.unrecorded,
            self.tool_calls,
            self.recordings,
            self.original,
            self.details if self.verbosity >= 1 else None,
            self.hints,
        ):
            section = list(part()) if part is not None else []
            if section:
                yield ""
                yield from section

    # -- what was said

    def origin(self) -> Iterator[str]:
        result = self.result
        yield f"{result.file}" + (f": {one_line(result.name, 120)}" if result.name else "")
        if result.expected_failure:
            yield self._labelled("incident", result.expected_failure)

    def reasons(self) -> Iterator[str]:
        """The reasons that no other section spells out."""
        spelled_out = {u.message for u in self.result.unrecorded if u.message}
        spelled_out |= {f"invariant {i.id} failed: {i.message}" for i in self._failing()}
        for reason in self.result.reasons:
            if reason not in spelled_out and reason not in self.first_line:
                yield f"- {self._value(reason)}"

    def turns(self) -> Iterator[str]:
        shown = self._turns_to_show()
        left_out = len(self.result.turns) - len(shown)
        several = len(self.result.turns) > 1
        for turn in shown:
            if several:
                mark = ": here it left the recording" if turn.turn == self.result.diverged_at else ""
                yield f"Turn {turn.turn}{mark}"
            yield from self._turn(turn)
        if left_out:
            self.was_cut = True
            yield f"({left_out} of {len(self.result.turns)} turns are not shown)"

    def _turns_to_show(self) -> list[TurnResult]:
        turns = self.result.turns
        if self.verbosity >= 2 or len(turns) <= _TURNS:
            return turns
        wanted = {self.result.diverged_at, *(u.turn for u in self.result.unrecorded[:2])}
        chosen = [turn for turn in turns[:-1] if turn.turn in wanted][: _TURNS - 1]
        return [*chosen, turns[-1]]

    def _turn(self, turn: TurnResult) -> Iterator[str]:
        yield self._labelled("asked", turn.input)
        if turn.error is not None:
            kind, message = str(turn.error.get("type")), str(turn.error.get("message"))
            if not kind.endswith(".StopReplay"):
                yield self._labelled("raised", f"{kind}: {message}")
            elif self.result.unrecorded or any(message in reason for reason in self.result.reasons):
                yield self._labelled("stopped", "by the replay, for the reason above")
            else:
                yield self._labelled("stopped", message)
            if turn.raised_at:
                yield self._labelled("at", ", called from ".join(reversed(turn.raised_at[-_PLACES:])))
        else:
            yield self._labelled("answered", turn.output)
        if turn.has_baseline:
            same = turn.error is None and turn.output == turn.baseline
            yield self._labelled("production", "(the same)" if same else turn.baseline)

    # -- what was checked

    def invariants(self) -> Iterator[str]:
        result = self.result
        if not result.invariants:
            return
        counts = [f"{n} {word}" for word in ("failed", "error", "passed", "skipped") if (n := self._count(word))]
        name = f" of {result.contract!r}" if result.contract else ""
        yield f"Invariants{name}: {', '.join(counts)}"
        for invariant in result.invariants:
            if invariant.outcome in ("failed", "error") or self.verbosity >= 1:
                yield from self._invariant(invariant)

    def _count(self, outcome: str) -> int:
        return sum(invariant.outcome == outcome for invariant in self.result.invariants)

    def _failing(self) -> list[InvariantResult]:
        return [i for i in self.result.invariants if i.outcome in ("failed", "error")]

    def _invariant(self, invariant: InvariantResult) -> Iterator[str]:
        kind = "" if invariant.type == invariant.id else f"{invariant.type}, "
        yield f"  {invariant.outcome.upper()} {invariant.id} ({kind}{invariant.severity})"
        if invariant.description:
            yield f"    {self._value(invariant.description)}"
        if invariant.message:
            yield f"    {self._value(invariant.message)}"
        if invariant.outcome in ("failed", "error"):
            for name, found in invariant.evidence.items():
                yield f"    {name}: {self._value(found)}"

    def unrecorded(self) -> Iterator[str]:
        if self.result.unrecorded:
            yield "Calls that nothing recorded answers"
        for asked in self.result.unrecorded:
            yield f"  turn {asked.turn}: {call(asked.tool, asked.args, self.limit)} [{asked.channel}]"
            yield from self._nearest(asked)

    def _nearest(self, asked: UnrecordedCall) -> Iterator[str]:
        if not asked.nearest:
            yield "    the recording has no call of this tool"
        for near in asked.nearest if self.verbosity >= 2 else asked.nearest[:3]:
            used = ", used already" if near.get("used") else ""
            shown = call(asked.tool, near["args"], self.limit) if near.get("args") is not None else "any call"
            yield f"    nearest: {shown} ({_place(near.get('recording'))}{used})"
            for difference in near.get("differences") or ():
                yield f"      {self._value(difference)}"

    # -- what the tools gave

    def tool_calls(self) -> Iterator[str]:
        rows = self._rows()
        if not rows:
            return
        yield "Tool calls"
        shown = rows if self.verbosity >= 2 else rows[-_CALLS:]
        if len(shown) < len(rows):
            self.was_cut = True
            yield f"  ({len(rows) - len(shown)} earlier calls are not shown)"
        several = len(self.result.turns) > 1
        for row in shown:
            turn = f"turn {row['turn']}: " if several else ""
            yield f"  {turn}{call(row['tool'], row['args'], self.limit)} -> {self._gave(row)}"

    def _rows(self) -> list[dict[str, Any]]:
        rows = self.result.tool_calls
        views = self.result.trace.tool_calls if self.result.trace is not None else []
        if len(views) != len(rows):
            return rows
        return [{**row, "result": view.result} for row, view in zip(rows, views, strict=True)]

    def _gave(self, row: dict[str, Any]) -> str:
        if row.get("unrecorded"):
            return "not recorded"
        said = []
        if row.get("status") is not None:
            said.append(f"status {row['status']}")
        if row.get("error"):
            said.append(f"{row['error'].get('type') or 'error'}: {self._value(row['error'].get('message') or '')}")
        if "result" in row and not row.get("error"):
            said.append(self._value(row["result"]))
        if row.get("failed") and not row.get("error") and row.get("status") is None:
            said.append("(recorded as a failure)")
        if row.get("latency_ms", 0) >= 1:
            said.append(f"after {row['latency_ms']:,.0f} ms")
        return " ".join(said)

    def recordings(self) -> Iterator[str]:
        unused, again = self.result.unused, self.result.served_again
        if unused:
            names = [call(row["tool"], row.get("args") or {}, 120) for row in unused[:5]]
            more = f" and {len(unused) - 5} more" if len(unused) > 5 else ""
            yield f"Recorded and not asked for: {', '.join(names)}{more}"
        if again:
            names = [f"{call(row['tool'], row.get('args') or {}, 120)} x{row['times']}" for row in again[:5]]
            more = f" and {len(again) - 5} more" if len(again) > 5 else ""
            yield f"Served again: {', '.join(names)}{more}"

    # -- what production did

    def original(self) -> Iterator[str]:
        result = self.result
        if result.golden or not result.recorded_invariants:
            return
        failed = [i.id for i in result.recorded_invariants if i.outcome == "failed"]
        if result.reproduces == "yes" and not failed:
            yield "What production did fails too: the agent raised"
        elif result.reproduces == "yes":
            yield f"On what production did, the contract fails too: {', '.join(failed)}"
        elif result.reproduces == "no":
            yield "On what production did, the contract holds: it would not have caught this incident"
        else:
            yield "Whether the contract would have caught the incident is unknown: not all of it can be evaluated there"

    # -- more

    def details(self) -> Iterator[str]:
        result = self.result
        if result.bindings:
            yield "Tools, and how they are answered"
            for tool, how in result.bindings.items():
                yield f"  {tool}: {plain(how)}"
        used = [row for row in result.tool_calls if row.get("recording")]
        if used:
            yield "Recordings that answered"
            for row in used:
                yield f"  {call(row['tool'], row['args'], self.limit)}: {_place(row['recording'])}"
        yield f"Took {result.measured_ms:,.1f} ms, and {result.simulated_ms:,.0f} ms of recorded latency"
        for note in result.notes:
            yield f"Note: {self._value(note)}"

    def hints(self) -> Iterator[str]:
        result = self.result
        if result.unrecorded:
            yield (
                "Hint: record the new call by hand (`origin: added`), or loosen how calls are matched: "
                "`matching: {ignore_args: […]}` or `{args: ignore}` in the file"
            )
            request = next((call.tool for call in result.unrecorded if "://" in call.tool), None)
            if request is not None:
                tool = result.unused[0]["tool"] if result.unused else "NAME"
                yield f"Hint: where the request is a call of a recorded tool, say so: `tools: {{{tool}: {request}}}`"
        failing = self._failing()
        if failing and all(i.severity != "critical" for i in failing):
            yield "Hint: `--replay-fail-on=SEVERITY` (ini `replay_fail_on`) lets failures of lower severity pass"
        if result.outcome == "inconclusive":
            if any("model" in reason for reason in result.reasons):
                yield "Hint: `--replay-llm=prefix` or `live` asks the model; `recorded` keeps the recorded answers"
            yield "Hint: `--replay-allow-inconclusive` (ini `replay_allow_inconclusive`) skips inconclusive replays"
        if self.verbosity < 2 and self.was_cut:
            yield "Hint: `-vv` shows everything; `--replay-traces=DIR` keeps the whole trace"

    # -- helpers

    def _value(self, data: Any) -> str:
        text = value(data)
        shown = cut(text, self.limit)
        self.was_cut = self.was_cut or shown is not text
        return shown

    def _labelled(self, label: str, data: Any) -> str:
        indent = "\n" + " " * (_LABEL + 2)
        return f"  {label:<{_LABEL}}{self._value(data)}".replace("\n", indent)


def _place(recording: dict[str, Any] | None) -> str:
    if recording is None:
        return "recording"
    where = f"of turn {recording['turn']}" if recording["turn"] else "at the top of the file"
    return f"recording {recording['index'] + 1} {where}"
