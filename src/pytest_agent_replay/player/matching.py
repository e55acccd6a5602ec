"""Which recording answers a call. The rules are those of the replay format, in their order; nothing is guessed.

1. Only recordings of that tool, the turn's own before those at the top of the file.
2. The unused one whose `args` match, of several the one that says most of the call, then the first; then the first
   unused one without `args`.
3. None unused: the one that answered a call with equal arguments last; else a failure without `args`, for any call
   (a service that is down stays down).
4. Otherwise the call is unrecorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from pytest_agent_replay.formats.replay import Matching, MatchingRules, RecordingRef, ToolResponse
from pytest_agent_replay.player.http_tools import is_route
from pytest_agent_replay.player.values import canonical, covers, differences, same, unpacked, unsaid, without_paths

__all__ = ["Entry", "Match", "Nearest", "RecordingBook", "Rules", "ToolRules", "rules_for"]


@dataclass(frozen=True, slots=True)
class Rules:
    """The matching rules of one tool, complete."""

    args: Literal["subset", "exact", "ignore"] = "subset"
    ignore_args: tuple[str, ...] = ()
    order: Literal["any", "strict"] = "any"
    unrecorded: Literal["fail", "error", "live"] = "fail"
    exhausted: Literal["repeat", "fail"] = "repeat"
    unused: Literal["ignore", "report", "fail"] = "report"


def rules_for(tool: str, project: Any, file: Matching | None, *, golden: bool) -> Rules:
    """The rules of a tool: its own in the file, then the file's, then the project's, then the defaults.

    `project` is a mapping of the same keys. In golden sessions a recording that nobody asks for fails the replay.
    """
    values: dict[str, Any] = {"unused": "fail"} if golden else {}
    values.update({key: value for key, value in dict(project).items() if value is not None})
    layers: list[MatchingRules] = []
    if file is not None:
        layers.append(file)
        layers.extend(
            rules for name, rules in file.tools.items() if name == tool or (_is_glob(name) and fnmatchcase(tool, name))
        )
    for layer in layers:
        for name in MatchingRules.model_fields:
            value = getattr(layer, name)
            if value is not None:
                values[name] = value
    values["ignore_args"] = tuple(values.get("ignore_args") or ())
    return Rules(**values)


class ToolRules:
    """The rules of each tool of one session, worked out when they are first asked for; see `rules_for`."""

    __slots__ = ("_file", "_golden", "_known", "_project")

    def __init__(self, project: Mapping[str, Any], file: Matching | None, *, golden: bool) -> None:
        self._project = project
        self._file = file
        self._golden = golden
        self._known: dict[str, Rules] = {}

    def __call__(self, tool: str) -> Rules:
        """The rules of a tool."""
        found = self._known.get(tool)
        if found is None:
            found = self._known[tool] = rules_for(tool, self._project, self._file, golden=self._golden)
        return found


def _is_glob(name: str) -> bool:
    return ("*" in name or "?" in name or "[" in name) and not is_route(name)


@dataclass(slots=True, eq=False)
class Entry:
    """A recording and how often it was served, in this turn and in the whole session."""

    ref: RecordingRef
    response: ToolResponse
    served: int = 0
    served_this_turn: int = 0

    @property
    def may_serve(self) -> bool:
        """`times` bounds how often it may be served in the session."""
        return self.response.times is None or self.served < self.response.times

    @property
    def is_unused(self) -> bool:
        """A recording with `times: n` counts as n recordings."""
        return self.may_serve and self.served_this_turn < (self.response.times or 1)


@dataclass(frozen=True, slots=True)
class Nearest:
    """A recording that did not match, and why."""

    entry: Entry
    differences: list[str]


@dataclass(slots=True)
class Match:
    """The outcome of one look-up. `entry` is None when the call is unrecorded."""

    entry: Entry | None
    again: bool = False
    key: tuple[str, Any] = ("", None)
    """Equal for calls of one tool with equal arguments."""
    why_not: str = ""
    nearest: Sequence[Nearest] = ()
    unsaid: Sequence[str] = ()
    """Arguments of the call of which the recording says nothing; see `values.unsaid`."""
    out_of_step: Entry | None = None
    """What production called between this call and an equal one that got another answer, and this run has called too
    early or not yet: the answer may be of another state."""


class RecordingBook:
    """The recordings of a session, looked up turn by turn. Not thread-safe: the session holds its lock."""

    def __init__(self, recordings: Iterable[tuple[RecordingRef, ToolResponse]], rules: Callable[[str], Rules]) -> None:
        self.entries = [Entry(ref, response) for ref, response in recordings]
        tools = dict.fromkeys([entry.response.tool for entry in self.entries])
        self.globs = [tool for tool in tools if _is_glob(tool)]
        self.names = [tool for tool in tools if tool not in self.globs]
        """The tool names of all recordings, in order, without globs."""
        self._rules = rules
        self._candidates: list[Entry] = []
        self._known: dict[str, bool] = {}
        self._arguments: dict[str, frozenset[str]] = {}
        self._by_tool: dict[str, list[Entry]] = {}
        self._answered: dict[tuple[str, Any], Entry] = {}

    def begin_turn(self, turn: int) -> None:
        """Recordings at the top of the file serve every turn afresh; `times` bounds them over the whole session."""
        own = [entry for entry in self.entries if entry.ref.turn == turn]
        top = [entry for entry in self.entries if entry.ref.turn == 0]
        for entry in top:
            entry.served_this_turn = 0
        self._candidates = own + top
        self._by_tool.clear()
        self._answered.clear()

    def knows(self, tool: str) -> bool:
        """Whether any recording of the session, of whichever turn, is of this tool."""
        found = self._known.get(tool)
        if found is None:
            found = self._known[tool] = any(_names(entry.response.tool, tool) for entry in self.entries)
        return found

    def named(self, tool: str, args: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a call by the names that the tool's recordings have; see `values.unpacked`."""
        known = self._arguments.get(tool)
        if known is None:
            recorded = [entry.response.args or {} for entry in self.entries if _names(entry.response.tool, tool)]
            known = self._arguments[tool] = frozenset().union(*recorded)
        return args if known.issuperset(args) else unpacked(args, known)

    def of_tool(self, tool: str) -> Iterator[tuple[RecordingRef, ToolResponse]]:
        """The recordings of a tool that have its very name, of every turn."""
        return ((entry.ref, entry.response) for entry in self.entries if entry.response.tool == tool)

    def match(
        self, tool: str, args: dict[str, Any], defaults: dict[str, Any] | None = None, call_id: str | None = None
    ) -> Match:
        """Finds and takes the recording that answers a call.

        `defaults` are the values that the tool's signature gives to arguments which the call leaves out. Of several
        recordings that fit equally well, the one with the call's id goes first: parallel calls with equal arguments
        stay apart.
        """
        rules = self._rules(tool)
        full = {**defaults, **args} if defaults else args
        if rules.ignore_args:
            full = without_paths(full, rules.ignore_args)
        candidates = self._of_tool(tool)
        key = (tool, None if rules.args == "ignore" else canonical(full))
        if rules.order == "strict":
            return self._in_order(tool, full, defaults, rules, key)
        entry, missed = self._best_unused(candidates, full, defaults, rules, call_id)
        if entry is not None:
            return self._take(entry, key, again=False, unsaid=missed)
        if rules.exhausted == "repeat":
            entry = self._repeatable(candidates, key)
            if entry is not None:
                return self._take(entry, key, again=True)
        return self._unrecorded(candidates, tool, full, defaults, rules)

    def unused(self) -> list[Entry]:
        """Recordings that were not served, or less than `times` says, in the file's order."""
        return [entry for entry in self.entries if entry.served < (entry.response.times or 1)]

    def _of_tool(self, tool: str) -> list[Entry]:
        found = self._by_tool.get(tool)
        if found is None:
            found = [entry for entry in self._candidates if _names(entry.response.tool, tool)]
            self._by_tool[tool] = found
        return found

    def _best_unused(
        self,
        candidates: list[Entry],
        full: dict[str, Any],
        defaults: dict[str, Any] | None,
        rules: Rules,
        call_id: str | None,
    ) -> tuple[Entry | None, list[str]]:
        """The unused recording that fits best, and what of the call it does not say."""
        best: Entry | None = None
        least: tuple[int, bool] = (0, False)
        missed: list[str] = []
        any_call: Entry | None = None
        for entry in candidates:
            if entry.served and not entry.is_unused:
                continue
            if best is not None and entry.ref.turn == 0 != best.ref.turn:
                break  # a turn's own recordings go before those at the top
            recorded = entry.response.args
            more: list[str] = []
            if recorded is None or rules.args == "ignore":
                any_call = any_call or entry
                if rules.args != "ignore":
                    continue
            elif not _args_match(recorded, full, defaults, rules):
                continue
            elif rules.args == "subset":
                more = unsaid(recorded, full, defaults)
            rank = (len(more), call_id is not None and entry.response.call_id != call_id)
            if rank == (0, False):
                return entry, more
            if best is None or rank < least:
                best, least, missed = entry, rank, more
        return best or any_call, missed

    def _repeatable(self, candidates: list[Entry], key: tuple[str, Any]) -> Entry | None:
        entry = self._answered.get(key)
        if entry is not None and entry.may_serve:
            return entry
        any_call = [entry for entry in candidates if entry.response.args is None]
        if any_call and any_call[-1].response.is_failure and any_call[-1].may_serve:
            return any_call[-1]
        return None

    def _in_order(
        self,
        tool: str,
        full: dict[str, Any],
        defaults: dict[str, Any] | None,
        rules: Rules,
        key: tuple[str, Any],
    ) -> Match:
        expected = next((entry for entry in self._candidates if entry.is_unused), None)
        if expected is not None and _names(expected.response.tool, tool):
            recorded = expected.response.args
            if recorded is None or rules.args == "ignore" or _args_match(recorded, full, defaults, rules):
                more = unsaid(recorded, full, defaults) if recorded is not None and rules.args == "subset" else ()
                return self._take(expected, key, again=False, unsaid=more)
        answered = self._answered.get(key)
        if rules.exhausted == "repeat" and answered is not None and answered.may_serve:
            return self._take(answered, key, again=True)
        match = self._unrecorded(self._of_tool(tool), tool, full, defaults, rules)
        if expected is not None:
            match.why_not = f"matching is `order: strict` and the next recording is of `{expected.response.tool}`"
            if _names(expected.response.tool, tool):
                match.why_not += " with other arguments"
        return match

    def _take(self, entry: Entry, key: tuple[str, Any], *, again: bool, unsaid: Sequence[str] = ()) -> Match:
        entry.served += 1
        entry.served_this_turn += 1
        self._answered[key] = entry
        return Match(entry, again, key, unsaid=unsaid, out_of_step=None if again else self._out_of_step(key[0], entry))

    def _out_of_step(self, tool: str, entry: Entry) -> Entry | None:
        equal = [
            other
            for other in self._of_tool(tool)
            if other is not entry and other.ref.turn == entry.ref.turn and _other_state(other.response, entry.response)
        ]
        for other in equal:
            first, second = (other, entry) if other.ref < entry.ref else (entry, other)
            for between in self._candidates:
                # a later answer needs what was called before it, an earlier one that it was not called yet
                if (
                    first.ref < between.ref < second.ref
                    and between.response.origin == "production"
                    and bool(between.served_this_turn) is (entry is first)
                ):
                    return between
        return None

    def _unrecorded(
        self,
        candidates: list[Entry],
        tool: str,
        full: dict[str, Any],
        defaults: dict[str, Any] | None,
        rules: Rules,
    ) -> Match:
        nearest: list[Nearest] = []
        for entry in candidates:
            found = _explain(entry, full, defaults, rules)
            nearest.append(Nearest(entry, found))
        nearest.sort(key=lambda near: (len(near.differences), near.entry.served > 0))
        if candidates:
            free = sum(entry.is_unused for entry in candidates)
            why = (
                f"no recording of `{tool}` has these arguments"
                if free
                else f"every recording of `{tool}` in this turn has been served"
            )
        elif self.knows(tool):
            turns = sorted({entry.ref.turn for entry in self.entries if _names(entry.response.tool, tool)})
            why = f"`{tool}` is recorded only in turn {', '.join(map(str, turns))}"
        else:
            why = f"nothing is recorded for `{tool}`"
        return Match(None, why_not=why, nearest=nearest[:3])


def _names(pattern: str, tool: str) -> bool:
    return pattern == tool or (_is_glob(pattern) and fnmatchcase(tool, pattern))


def _other_state(one: ToolResponse, other: ToolResponse) -> bool:
    """Whether two equal calls got different answers, and not because one of them failed and was tried again."""
    return (
        one.args is not None
        and one.args == other.args
        and (one.response, one.stream) != (other.response, other.stream)
        and not (one.is_failure or other.is_failure)
    )


def _args_match(recorded: dict[str, Any], full: dict[str, Any], defaults: dict[str, Any] | None, rules: Rules) -> bool:
    if rules.ignore_args:
        recorded = without_paths(recorded, rules.ignore_args)
    if rules.args == "subset":
        return covers(recorded, full)
    return all(key in full and same(value, full[key]) for key, value in recorded.items()) and all(
        key in recorded or (defaults is not None and key in defaults and same(defaults[key], value))
        for key, value in full.items()
    )


def _explain(entry: Entry, full: dict[str, Any], defaults: dict[str, Any] | None, rules: Rules) -> list[str]:
    recorded = entry.response.args
    if recorded is None:
        limit = f"; `times: {entry.response.times}` is reached" if not entry.may_serve else ""
        return [f"already served to another call{limit}"]
    if rules.ignore_args:
        recorded = without_paths(recorded, rules.ignore_args)
    called = full
    if rules.args == "exact" and defaults:
        called = {k: v for k, v in full.items() if k in recorded or k not in defaults or not same(defaults[k], v)}
    found = differences(recorded, called, subset=rules.args == "subset")
    return found or ["already served, and may not be served again"]
