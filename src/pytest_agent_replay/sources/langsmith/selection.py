"""Which runs of a project are wanted: the command line's filters as a query in LangSmith's filter language.

The language: https://docs.langchain.com/langsmith/trace-query-syntax
"""

from __future__ import annotations

import re
from argparse import Namespace

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.sources.choosing import moment
from pytest_agent_replay.sources.langsmith.shapes import BEGINNING, Query, text

__all__ = ["query_of"]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_FAILED_TOOL = 'and(eq(run_type, "tool"), eq(status, "error"))'


def query_of(given: Namespace) -> Query:
    """The query for root runs. Raises `ReplayError` for a value that cannot be read."""
    status = given.filter_status or ("success" if given.tool_errors else "all")
    parts = ['eq(status, "success")'] if status == "success" else []
    if given.until is not None:
        parts.append(f"lt(start_time, {text(_time(given.until, '--until'))})")
    for tag in given.tag:
        parts.append(f"has(tags, {text(tag)})")
    for label in given.feedback:
        parts.append(_feedback(label))
    if given.min_latency_ms is not None:
        parts.append(f"gte(latency, {given.min_latency_ms / 1000:g})")
    if given.filter is not None:
        parts.append(given.filter.strip())
    return Query(
        since=_time(given.since, "--since") if given.since is not None else BEGINNING,
        has_error={"error": True, "success": False}.get(status),
        filter=_all(parts),
        tree_filter=_FAILED_TOOL if given.tool_errors else None,
    )


def _all(parts: list[str]) -> str | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    return f"and({', '.join(parts)})"


def _feedback(label: str) -> str:
    """`KEY=VALUE`: a number or true/false is a score, other text a value; `KEY` alone is any feedback of that key."""
    key, equals, value = (part.strip() for part in label.partition("="))
    if not key or (equals and not value):
        raise ReplayError(f"--feedback {label}: give KEY=VALUE, such as user_score=0, or KEY")
    named = f"eq(feedback_key, {text(key)})"
    if not equals:
        return named
    value = {"true": "1", "false": "0"}.get(value.lower(), value)
    if _NUMBER.fullmatch(value):
        return f"and({named}, eq(feedback_score, {float(value):g}))"
    return f"and({named}, eq(feedback_value, {text(value)}))"


def _time(given: str, option: str) -> str:
    """A time, or how long ago, as LangSmith reads times."""
    return moment(given, option).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
