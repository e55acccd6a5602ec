"""What people and evaluators annotated in Phoenix: scores by name, and words."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pytest_agent_replay.sources.spans import RunSession

__all__ = ["Annotation", "annotate"]

_SAME_NAME = "annotations of the same name on the same thing: the latest is kept"
_NOTE = "note"
"""The name of an annotation that is words alone."""


@dataclass(slots=True)
class Annotation:
    """One annotation as the API gives it, and what it is about."""

    raw: dict[str, Any]
    trace_id: str | None = None
    """None: about the session."""
    step: str | None = None
    """The name of a span within the trace; None: about the trace."""

    @property
    def name(self) -> str:
        """What was judged."""
        return str(self.raw.get("name"))

    @property
    def value(self) -> Any:
        """The score, or else the label."""
        score = self._result("score")
        return score if isinstance(score, (int, float)) and math.isfinite(score) else self._result("label")

    @property
    def words(self) -> str | None:
        """Why."""
        words = self._result("explanation")
        return words if isinstance(words, str) and words.strip() else None

    @property
    def is_blame(self) -> bool:
        """A person said that it was wrong, and why."""
        is_low = isinstance(self.value, (int, float)) and self.value <= 0
        return self.raw.get("annotator_kind") == "HUMAN" and is_low and self.words is not None

    def _result(self, key: str) -> Any:
        result = self.raw.get("result")
        return result.get(key) if isinstance(result, dict) else None

    def __str__(self) -> str:
        begin = "" if self.step is None else f"{self.step}: "
        if self.name == _NOTE and self.words is not None:
            return begin + self.words
        value = "" if self.value is None else f" = {self.value}"
        return f"{begin}{self.name}{value}" + (f": {self.words}" if self.words is not None else "")


def annotate(run: RunSession, annotations: Iterable[Annotation]) -> None:
    """Scores of the session and of its traces go to them; words, and what is about a step, into the remarks."""
    traces = {trace.id: trace.scores for trace in run.traces}
    for each in sorted(annotations, key=lambda each: str(each.raw.get("updated_at"))):
        if each.value is not None and each.step is None:
            scores = traces.get(each.trace_id or "", run.scores)
            run.notes.lose(_SAME_NAME, each.name in scores)
            scores[each.name] = each.value
        if each.words is not None or (each.value is not None and each.step is not None):
            run.remarks.append(str(each))
        if each.is_blame and run.expected_failure is None:
            run.expected_failure = each.words
