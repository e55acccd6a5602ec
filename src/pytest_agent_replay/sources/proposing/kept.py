"""What a good session did and is to do again: its changes, with the arguments that count, and no others.

Reads are left open (another way to the same facts is as good), and so is the wording of texts that were sent.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pytest_agent_replay.sources.proposing.facts import Facts, Line, listed
from pytest_agent_replay.sources.proposing.tools import kind_of

__all__ = ["at_most_as_many_calls", "kept"]

_MOST_CALLS = 50
_MOST_WORDS = 3
_LONGEST = 60
_OWN = re.compile(
    r"(?i)(?:^|_)(?:idempotency|nonce|uuid|guid|timestamp|request_?id|trace_?id|created_?at|sent_?at|now|thought|reason(?:ing)?"
    r"|summary|explanation|comment|note|notes|message|body|text|description|prompt|subject)(?:$|_)"
)
"""Arguments that come out another way in every run."""


def kept(facts: Facts) -> Iterator[Line]:
    """Lines of the rank `guard`, on the tools that change something."""
    done = [call for call in facts.calls if call.succeeded and kind_of(call.tool) == "changes"]
    if done and len(done) <= _MOST_CALLS:
        names = listed([call.tool for call in done], 5)
        wanted = [{"tool": call.tool, "args": _firm(call.args)} if _firm(call.args) else call.tool for call in done]
        yield Line(
            "makes-its-changes",
            {"type": "trajectory", "mode": "superset", "tools": wanted},
            f"The original made these changes ({names}); the wording of texts is left open.",
            "guard",
        )
    counts = Counter(call.tool for call in facts.calls if kind_of(call.tool) == "changes")
    for tool, count in counts.items():
        times = "once" if count == 1 else "twice" if count == 2 else f"{count} times"
        invariant = {"type": "tool_called", "tool": tool, "min": 0, "max": count}
        yield Line(
            f"no-more-{tool}", invariant, f"The original called {tool} {times}; more would change more.", "guard"
        )


def at_most_as_many_calls(facts: Facts) -> Line:
    """For a session of which nothing else can be said: one that gave no answer and changed nothing."""
    count = len(facts.session.all_calls)
    reason = f"The original made {count} calls; nothing else is known of it that could be asked for."
    return Line("no-more-calls", {"type": "max_tool_calls", "max": count}, reason, "guard")


def _firm(args: dict[str, Any]) -> dict[str, Any]:
    """The arguments without texts that a model words anew each time, and without what differs by nature."""
    return {key: value for key, value in args.items() if not _OWN.search(key) and not _is_worded(value)}


def _is_worded(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) > _LONGEST or len(value.split()) > _MOST_WORDS
    if isinstance(value, dict):
        return any(_OWN.search(key) or _is_worded(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_is_worded, value))
