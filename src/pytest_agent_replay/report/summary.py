"""All results of a run, added up: numbers for the results file, lines for the terminal.

The results are taken in their JSON form, because that is what comes from the workers of a distributed run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pytest_agent_replay.report.values import one_line, plain

__all__ = ["AS_CAPTURED", "needed", "summary", "summary_lines"]

AS_CAPTURED = "As captured"
"""The name of the contract that a captured file has until somebody writes one."""
Row = Mapping[str, Any]

_OUTCOMES = ("passed", "failed", "inconclusive", "error", "skipped")
_LISTED = 5
_NOTES = 10
_KEYS = ("id", "outcome", "golden", "contract", "reproduces", "score", "reruns")


def needed(row: Row) -> dict[str, Any]:
    """Of one result, what `summary` and `summary_lines` read: the rest need not be kept."""
    kept = {key: row[key] for key in _KEYS if key in row}
    kept["bindings"] = row["bindings"]
    kept["notes"] = row["notes"]
    kept["diverged_at"] = row["diverged_at"]
    kept["reasons"] = row["reasons"][:1]
    kept["unused"] = [{"tool": each["tool"]} for each in row["unused"]]
    kept["served_again"] = [{"tool": each["tool"], "times": each["times"]} for each in row["served_again"]]
    return kept


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """The `summary` of the results file.

    `replay_regression` is the percentage of passed replays among those that were not skipped, `score` the mean score of
    those that have one; None where there is nothing to count. `reproduces` counts incidents, not golden sessions.
    """
    counts = {outcome: sum(row["outcome"] == outcome for row in rows) for outcome in _OUTCOMES}
    run = len(rows) - counts["skipped"]
    scores = [row["score"] for row in rows if row["score"] is not None and row["outcome"] != "skipped"]
    incidents = [row for row in rows if not row["golden"] and row["outcome"] != "skipped"]
    return {
        "replays": len(rows),
        "passed": counts["passed"],
        "failed": counts["failed"],
        "inconclusive": counts["inconclusive"],
        "errors": counts["error"],
        "skipped": counts["skipped"],
        "replay_regression": round(100 * counts["passed"] / run, 1) if run else None,
        "score": round(sum(scores) / len(scores), 1) if scores else None,
        "reproduces": {word: sum(r["reproduces"] == word for r in incidents) for word in ("yes", "no", "unknown")},
    }


def summary_lines(rows: Sequence[Row], verbosity: int = 0) -> list[str]:
    """What the end of a run says about its replays; nothing when there were none.

    Verbosity 1 adds where runs left their recordings, and how tools were bound.
    """
    if not rows:
        return []
    more = (*_diverged(rows), *_bindings(rows)) if verbosity >= 1 else ()
    return [_counts(summary(rows)), *_lists(rows), *_notes(rows), *more]


def _counts(numbers: Mapping[str, Any]) -> str:
    words = ("passed", "failed", "inconclusive", "errors", "skipped")
    said = ", ".join(f"{n} {word if n > 1 else word.removesuffix('s')}" for word in words if (n := numbers[word]))
    noun = "replay" if numbers["replays"] == 1 else "replays"
    line = f"{numbers['replays']} {noun}: {said}"
    if numbers["replay_regression"] is not None:
        line += f"; replay_regression {numbers['replay_regression']}"
    if numbers["score"] is not None:
        line += f", score {numbers['score']}"
    return line


def _lists(rows: Sequence[Row]) -> Iterator[str]:
    yield from _listing("inconclusive", rows, lambda r: r["outcome"] == "inconclusive", _with_reason)
    blunt = [r for r in rows if not r["golden"] and r["reproduces"] == "no" and r["outcome"] != "skipped"]
    yield from _listing(
        "would not have caught its incident (the contract holds on what production did)",
        blunt,
        lambda r: r["contract"] != AS_CAPTURED,
        lambda r: str(r["id"]),
    )
    yield from _listing(
        "asks only for what production did (the contract is that of a capture: write into `contract:` what should have "
        "happened, or `golden: true` where that was right)",
        blunt,
        lambda r: r["contract"] == AS_CAPTURED,
        lambda r: str(r["id"]),
    )
    yield from _listing("served again", rows, lambda r: bool(r["served_again"]), _served_again)
    yield from _listing("unused", rows, lambda r: bool(r["unused"]), _unused)
    yield from _listing("run again", rows, lambda r: bool(r.get("reruns")), lambda r: f"{r['id']} ({r['reruns']}x)")


def _listing(
    title: str, rows: Sequence[Row], wanted: Callable[[Row], bool], show: Callable[[Row], str]
) -> Iterator[str]:
    found = [row for row in rows if wanted(row)]
    if found:
        more = f", and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
        yield f"{title}: {len(found)}: {'; '.join(one_line(show(r), 160) for r in found[:_LISTED])}{more}"


def _notes(rows: Sequence[Row]) -> Iterator[str]:
    """What a reader should know though it changed no verdict: each thing once, with the replays of which it is true."""
    replays: dict[str, list[str]] = {}
    for row in rows:
        for note in row["notes"]:
            replays.setdefault(note, []).append(str(row["id"]))
    for note, ids in list(replays.items())[:_NOTES]:
        more = f", and {len(ids) - _LISTED} more" if len(ids) > _LISTED else ""
        yield f"note: {one_line(note, 400)} ({', '.join(one_line(each, 80) for each in ids[:_LISTED])}{more})"
    if len(replays) > _NOTES:
        yield f"note: {len(replays) - _NOTES} more: `--replay-json=FILE` has all"


def _diverged(rows: Sequence[Row]) -> Iterator[str]:
    yield from _listing(
        "did otherwise than the recording",
        rows,
        lambda r: r["diverged_at"] is not None,
        lambda r: f"{r['id']} (from turn {r['diverged_at']})",
    )


def _bindings(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        if row["bindings"]:
            said = "; ".join(f"{tool}: {how}" for tool, how in row["bindings"].items())
            yield plain(f"{row['id']}: tools answered by {said}")


def _with_reason(row: Row) -> str:
    return f"{row['id']} ({row['reasons'][0]})" if row["reasons"] else str(row["id"])


def _served_again(row: Row) -> str:
    times: dict[str, int] = {}
    for each in row["served_again"]:
        times[each["tool"]] = times.get(each["tool"], 0) + each["times"]
    return f"{row['id']} ({', '.join(f'{tool} x{count}' for tool, count in times.items())})"


def _unused(row: Row) -> str:
    return f"{row['id']} ({', '.join(dict.fromkeys(each['tool'] for each in row['unused']))})"
