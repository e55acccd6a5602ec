"""Recordings against the tools as they are today: could today's tool have been called, and have answered, like this?

A tool is known by the signature of its function, or by the JSON Schema of its arguments that a model is offered. What
is compared: names of arguments, what is required (in imported files; who writes one by hand may leave arguments out),
and types, as loosely as pydantic converts them. Of a function that returns classes of fields, the recorded answers too.
"""

from __future__ import annotations

import inspect
import typing
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FunctionType
from typing import Any

from pytest_agent_replay.formats.replay import RecordingRef, ReplayFile, ToolResponse
from pytest_agent_replay.player.values import ALL_ARGUMENTS

__all__ = ["Staleness"]

_parameters: weakref.WeakKeyDictionary[FunctionType, Mapping[str, Any]] = weakref.WeakKeyDictionary()


class Staleness:
    """Looks once at each tool of one session, when it is first seen."""

    def __init__(
        self,
        replay: ReplayFile,
        recorded: Callable[[str], Iterable[tuple[RecordingRef, ToolResponse]]],
        report: Callable[[str], None],
    ) -> None:
        """`recorded` gives the recordings of a tool; `report` takes each finding."""
        self._replay = replay
        self._recorded = recorded
        self._report = report
        self._seen: set[str] = set()

    def function_seen(
        self, tool: str, function: FunctionType, is_method: bool, misfit: Callable[[FunctionType, Any], str | None]
    ) -> None:
        """`function` is the tool. `misfit` says why a value cannot be what it returns."""
        if tool in self._seen:
            return
        self._seen.add(tool)
        where = f"{function.__module__}.{function.__qualname__}"
        for ref, response in self._recorded(tool):
            for field, why in self._wrong_arguments(function, is_method, response.args):
                self._say(ref, f"args{field}", f"{why}: today's `{tool}` ({where}) cannot be called like this")
            if response.error is None and not response.is_failure and response.stream is None:
                wrong = misfit(function, response.response)
                if wrong is not None:
                    self._say(ref, "response", f"{wrong}: today's `{tool}` ({where}) cannot return this")

    def schema_seen(self, tool: str, schema: Any) -> None:
        """A model is offered the tool with this JSON Schema of its arguments."""
        if tool in self._seen or not isinstance(schema, Mapping):
            return
        self._seen.add(tool)
        found = [(ref, response) for ref, response in self._recorded(tool) if response.args]
        if not found:
            return
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError

        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError:
            return
        validator = Draft202012Validator(schema)
        for ref, response in found:
            for field, why in self._wrong_by_schema(validator, schema, response.args):
                self._say(ref, f"args{field}", f"{why}: the `{tool}` of today's agent cannot be called like this")

    def _say(self, ref: RecordingRef, field: str, text: str) -> None:
        turn = f"turns[{ref.turn - 1}]." if self._replay.turns is not None and ref.turn else ""
        self._report(f"stale recording: {turn}tool_responses[{ref.index}].{field}: {text}")

    def _wrong_arguments(
        self, function: FunctionType, is_method: bool, args: Mapping[str, Any] | None
    ) -> Iterator[tuple[str, str]]:
        if args is None:
            return
        parameters = _parameters.get(function)
        if parameters is None:
            parameters = _parameters[function] = _known_parameters(function)
        names = list(parameters)[is_method:]
        if not args.keys() & names and any(parameters[name].takes_all(name, args) for name in names):
            return
        if not any(parameters[name].is_open for name in names):
            for name in args:
                if name not in names:
                    yield f".{name}", _no_argument(name, names)
        for name in names:
            parameter = parameters[name]
            if name not in args:
                if self._replay.is_recorded and parameter.is_required:
                    yield "", f"the required argument `{name}` is missing"
            elif parameter.adapter is not None:
                for field, why in _misfits(parameter.adapter, args[name]):
                    yield f".{name}{field}", why

    def _wrong_by_schema(self, validator: Any, schema: Mapping[str, Any], args: Any) -> Iterator[tuple[str, str]]:
        properties = schema.get("properties")
        if (
            isinstance(properties, Mapping)
            and "additionalProperties" not in schema
            and not schema.get("patternProperties")
        ):
            for name in args:
                if name not in properties:
                    yield f".{name}", _no_argument(name, list(properties))
        for error in validator.iter_errors(args):
            if error.validator == "required" and not self._replay.is_recorded:
                continue
            yield "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.absolute_path), error.message


def _no_argument(name: str, names: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, names, 1)
    return f"there is no argument `{name}`" + (f", but `{near[0]}`" if near else "")


class _Parameter:
    """One parameter of a function."""

    def __init__(self, parameter: inspect.Parameter, adapter: Any) -> None:
        self.adapter = adapter
        self.is_open = parameter.kind is parameter.VAR_KEYWORD
        self.is_required = parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        )

    def takes_all(self, name: str, args: Mapping[str, Any]) -> bool:
        """Whether it may be given all arguments at once, as a mapping, a model or JSON text; see `values.unpacked`."""
        if self.adapter is None or not any(_misfits(self.adapter, object())):
            return name in ALL_ARGUMENTS
        is_text = name in ALL_ARGUMENTS and not any(_misfits(self.adapter, ""))
        return is_text or not any(_misfits(self.adapter, args))


def _known_parameters(function: FunctionType) -> dict[str, _Parameter]:
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except Exception:  # whatever evaluating annotations may raise: a name that only type checkers import
        hints = {}
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        is_one = parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        found[name] = _Parameter(parameter, _adapter(hints[name]) if is_one and name in hints else None)
    return found


def _adapter(hint: Any) -> Any:
    from pydantic import TypeAdapter

    try:
        return TypeAdapter(hint)
    except Exception:  # a type that has no JSON form, or a model of the agent's that cannot be built
        return None


def _misfits(adapter: Any, value: Any) -> Iterator[tuple[str, str]]:
    from pydantic import ValidationError

    try:
        adapter.validate_python(value)
    except ValidationError as error:
        for each in error.errors(include_url=False)[:3]:
            yield "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in each["loc"]), each["msg"]
    except Exception:  # a validator of the agent's own that breaks says nothing of the recording
        return
