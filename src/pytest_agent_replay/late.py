"""Regular expressions that are compiled with their first use: most of them no replay of a run needs."""

from __future__ import annotations

import re
from typing import Any, cast

__all__ = ["late_pattern"]


def late_pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """What `re.compile(text, flags)` gives, for a module's constants: `search`, `match` and so on compile it."""
    return cast("re.Pattern[str]", _Late(text, flags))


class _Late:
    def __init__(self, text: str, flags: int) -> None:
        self._given = text, flags

    def __getattr__(self, name: str) -> Any:
        # asked for each attribute once: from then on the object has it itself
        value = getattr(re.compile(*self._given), name)
        setattr(self, name, value)
        return value
