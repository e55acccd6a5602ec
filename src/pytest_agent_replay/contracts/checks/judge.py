"""Checks that compare meaning, or ask something outside: similarity, a judging model, a Python function."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, field_validator

from pytest_agent_replay.contracts.case import Case, text_of
from pytest_agent_replay.contracts.registry import BindContext, Check, Finding, check
from pytest_agent_replay.contracts.similarity import similarity as similarity_of
from pytest_agent_replay.errors import FormatError, ReplayError
from pytest_agent_replay.formats.contract import Invariant, Threshold
from pytest_agent_replay.player.values import short

__all__ = ["CHECKS"]

_REFERENCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_SIMILARITY_THRESHOLD = 0.8
_UNCHANGED_THRESHOLD = 0.75
_JUDGE_THRESHOLD = 0.5


class Similar(Invariant):
    """The answer is alike to `expected`: at least `threshold` (default the contract's `similarity_threshold`,
    else 0.8)."""

    expected: Annotated[str, Field(min_length=1)]
    threshold: Threshold | None = None
    similarity_threshold: Threshold | None = None
    _at_least: float = PrivateAttr(default=_SIMILARITY_THRESHOLD)


class BehaviorUnchanged(Invariant):
    """The answer is alike to `baseline`: `auto` is what production answered in the turn. Default threshold 0.75."""

    baseline: Annotated[str, Field(min_length=1)] = "auto"
    threshold: Threshold | None = None
    similarity_threshold: Threshold | None = None
    _at_least: float = PrivateAttr(default=_UNCHANGED_THRESHOLD)


class LlmJudge(Invariant):
    """The judge finds that the answer fulfils `rubric`; of a score from 0 to 1, at least `threshold` is needed."""

    rubric: Annotated[str, Field(min_length=1)]
    threshold: Annotated[Threshold, Field(gt=0)] = _JUDGE_THRESHOLD


class Python(Invariant):
    """`check` (`pkg.mod:function`) is called with the trace: it returns True, or False, or raises `AssertionError`."""

    check: str

    @field_validator("check")
    @classmethod
    def _is_reference(cls, value: str) -> str:
        if not _REFERENCE.fullmatch(value):
            raise ValueError(f"must name a function as `pkg.mod:function`, not {short(value)}")
        return value


def _set_threshold(params: Similar | BehaviorUnchanged, context: BindContext) -> None:
    for given in (params.threshold, params.similarity_threshold, context.contract.similarity_threshold):
        if given is not None:
            if given == 0:
                raise FormatError(context.problem("threshold", "every answer is at least 0 alike to any text, so "
                                                  "with 0 this invariant cannot fail"))  # fmt: skip
            params._at_least = given
            return


def _compared(case: Case, expected: str, at_least: float, what: str) -> Finding:
    text = case.text
    value, measure = similarity_of(text, expected, case.session.services.embed)
    evidence = {"turn": case.turn, "similarity": round(value, 4), "threshold": at_least, "measure": measure}
    if value >= at_least:
        return Finding(True, case.sentence(f"the answer is {value:.2f} alike to {what} ({measure})."), evidence)
    message = case.sentence(
        f"the answer is only {value:.2f} alike to {what}, {at_least:g} is needed ({measure}): "
        f"{short(text, 160)} instead of {short(expected, 160)}."
    )
    return Finding(False, message, {**evidence, "answer": short(text, 400), "expected": short(expected, 400)})


@check("similarity", Similar, prepare=_set_threshold)
def similarity(params: Similar, case: Case) -> Finding:
    """Similarity to a given text."""
    return _compared(case, params.expected, params._at_least, "the expected text")


@check("behavior_unchanged", BehaviorUnchanged, prepare=_set_threshold)
def behavior_unchanged(params: BehaviorUnchanged, case: Case) -> Finding:
    """Similarity to what production answered, or to a given text."""
    if params.baseline != "auto":
        return _compared(case, params.baseline, params._at_least, "the baseline")
    return _compared(case, text_of(case.session.baseline(case.turn)), params._at_least, "what production answered")


@check("llm_judge", LlmJudge)
def llm_judge(params: LlmJudge, case: Case) -> Finding:
    """The project's judge decides."""
    judge = case.session.services.judge
    if judge is None:
        raise ReplayError("There is no judge: define the `replay_judge` fixture, which `llm_judge` asks.")
    question = case.session.trace.inputs().get(case.turn)
    answer = judge(rubric=params.rubric, answer=case.output, input=question, trace=case.session.trace)
    passed, value, reason = _judgement(answer, params.threshold)
    said = f"{value:g}, {params.threshold:g} is needed" if value is not None else ("yes" if passed else "no")
    verb = "fulfils" if passed else "does not fulfil"
    message = case.sentence(
        f"the judge finds that the answer {verb} {short(params.rubric)} ({said}){f': {reason}' if reason else ''}."
    )
    return Finding(
        passed, message, {"turn": case.turn, "score": value, "reason": reason, "threshold": params.threshold}
    )


def _judgement(answer: Any, threshold: float) -> tuple[bool, float | None, str | None]:
    """What a judge may return: a truth value, a score, `(either, reason)`, or a mapping with `passed` or
    `score`, and `reason`."""
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        raise ReplayError("The judge is an async function; `replay_judge` must be a plain one.")
    reason: str | None = None
    if isinstance(answer, tuple) and len(answer) == 2:
        answer, reason = answer[0], str(answer[1])
    elif isinstance(answer, Mapping):
        reason = None if answer.get("reason") is None else str(answer["reason"])
        answer = answer.get("passed", answer.get("score"))
    if isinstance(answer, bool):
        return answer, None, reason
    if isinstance(answer, (int, float)) and 0 <= answer <= 1:
        return answer >= threshold, float(answer), reason
    raise ReplayError(f"The judge returned {short(answer)}; it must return true or false, or a score from 0 to 1.")


@check("python", Python, over="session")
def python(params: Python, case: Case) -> Finding:
    """The project's own function decides."""
    services = case.session.services
    if not services.allow_python or services.resolve_reference is None:
        raise ReplayError(f"{params.check} was not run: the project does not allow `python` checks; "
                          "the option `replay_allow_python_checks` does.")  # fmt: skip
    function = services.resolve_reference(params.check)
    if not callable(function):
        raise ReplayError(f"{params.check} is {short(function)}, not a function.")
    try:
        result = function(case.session.trace)
    except AssertionError as error:
        return Finding(False, case.sentence(f"the check {params.check} says: {error or 'its assertion does not hold'}"))
    if inspect.iscoroutine(result):
        result.close()
        raise ReplayError(f"{params.check} is an async function; a `python` check must be a plain one.")
    if result is None or result is True:
        return Finding(True, case.sentence(f"the check {params.check} holds."))
    if result is False:
        return Finding(False, case.sentence(f"the check {params.check} does not hold."))
    if isinstance(result, Finding):
        return result
    raise ReplayError(f"{params.check} returned {short(result)}; it must return true, false, nothing or a Finding.")


CHECKS: tuple[Check[Any], ...] = (similarity, behavior_unchanged, llm_judge, python)
