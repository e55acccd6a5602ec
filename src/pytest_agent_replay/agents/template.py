"""The request that an endpoint is sent (`request_template`), and where its answer stands (`response_path`).

A template is JSON, as a mapping or as text, or any other text. Placeholders: `{prompt}` (the input as text),
`{input}` (the input as it is), `{context}`, `{history}` (neutral messages), `{session_id}`; `{{name}}` is a
literal `{name}`. In JSON every value is escaped; a placeholder that is the whole of a string (`"{history}"`),
or stands without quotes, becomes the JSON value itself, and a part of a longer string becomes text. In text of
the form `name=value&…` values are percent-encoded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any
from urllib.parse import quote

from pytest_agent_replay.agents.model import TurnInput
from pytest_agent_replay.errors import AgentError

__all__ = ["PLACEHOLDERS", "ResponsePath", "Template", "as_text"]

PLACEHOLDERS = ("prompt", "input", "context", "history", "session_id")

_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}|\{([^\W\d]\w*)\}")
_STRING_OR_BARE = re.compile(r'"(?:[^"\\]|\\.)*"|\{[^\W\d]\w*\}')
_FORM = re.compile(r"[\w.\-\[\]]+=")


def as_text(value: Any) -> str:
    """A JSON value inside of a text: text as it is, nothing for null, else compact JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class Template:
    """A parsed `request_template`. Raises `AgentError` for an unknown placeholder."""

    def __init__(self, source: Any, title: str) -> None:
        self._source = _parsed(source) if isinstance(source, str) else source
        self.is_json = not isinstance(self._source, str) or not isinstance(source, str)
        self.is_form = not self.is_json and _FORM.match(self._source) is not None
        for name in sorted(_names(self._source)):
            if name not in PLACEHOLDERS:
                near = get_close_matches(name, PLACEHOLDERS, 1)
                hint = (
                    f"did you mean {{{near[0]}}}?"
                    if near
                    else f"there are {', '.join(f'{{{p}}}' for p in PLACEHOLDERS)}"
                )
                raise AgentError(
                    f"{title}: request_template has the unknown placeholder {{{name}}}; {hint} (a literal one is "
                    f"written {{{{{name}}}}})"
                )

    def render(self, turn: TurnInput) -> Any:
        """The request for one turn: a JSON value when `is_json`, else text."""
        values = {
            "prompt": as_text(turn.input),
            "input": turn.input,
            "context": turn.context,
            "history": turn.history,
            "session_id": turn.session_id,
        }
        if not self.is_json:
            encode = (lambda text: quote(text, safe="")) if self.is_form else (lambda text: text)
            return _filled(self._source, values, encode)
        return _rendered(self._source, values)


def _parsed(text: str) -> Any:
    """The template as JSON where it is JSON, also with placeholders that stand without quotes; else the text."""
    quoted = _STRING_OR_BARE.sub(lambda m: m[0] if m[0].startswith('"') else f'"{m[0]}"', text)
    try:
        value = json.loads(quoted)
    except ValueError:
        return text
    return value if isinstance(value, (dict, list)) else text


def _names(source: Any) -> set[str]:
    if isinstance(source, str):
        return {m[2] for m in _PLACEHOLDER.finditer(source) if m[2]}
    if isinstance(source, dict):
        return set().union(*(_names(k) | _names(v) for k, v in source.items()))
    return set().union(*map(_names, source)) if isinstance(source, (list, tuple)) else set()


def _rendered(source: Any, values: dict[str, Any]) -> Any:
    if isinstance(source, str):
        whole = _PLACEHOLDER.fullmatch(source)
        return values[whole[2]] if whole and whole[2] else _filled(source, values, lambda text: text)
    if isinstance(source, dict):
        return {_filled(str(k), values, lambda text: text): _rendered(v, values) for k, v in source.items()}
    return [_rendered(v, values) for v in source] if isinstance(source, (list, tuple)) else source


def _filled(text: str, values: dict[str, Any], encode: Callable[[str], str]) -> str:
    return _PLACEHOLDER.sub(lambda m: encode(as_text(values[m[2]])) if m[2] else f"{{{m[1]}}}", text)


_STEP = re.compile(r"""\.?([^.\[\]\s'"$][^.\[\]]*)|\[(-?\d+)\]|\[(?:'([^']*)'|"([^"]*)")\]""")


class ResponsePath:
    """`$.data.text`, `response.text`, `results.0`, `choices[0].message.content`, `$['a key']`. Raises `AgentError`."""

    def __init__(self, text: str, title: str) -> None:
        self.text = text
        self._steps: list[str | int] = []
        rest = text.strip().removeprefix("$")
        while rest:
            match = _STEP.match(rest)
            if match is None:
                raise AgentError(
                    f"{title}: response_path {text!r} cannot be read from {rest!r} on; write `$.data.text` or "
                    "`choices[0].message.content`"
                )
            name, index, single, double = match.groups()
            self._steps.append(
                int(index) if index is not None else next(s for s in (name, single, double) if s is not None)
            )
            rest = rest[match.end() :]

    def find(self, data: Any) -> Any:
        """The value there. Raises `LookupError` saying which step is missing, and what there is instead."""
        for step in self._steps:
            if isinstance(data, dict) and str(step) in data:
                data = data[str(step)]
                continue
            index = int(step) if isinstance(data, list) and re.fullmatch(r"-?\d+", str(step)) else None
            if index is None or not -len(data) <= index < len(data):
                raise LookupError(f"response_path {self.text!r}: there is no {step!r} in {_shape(data)}")
            data = data[index]
        return data


def _shape(data: Any) -> str:
    if isinstance(data, dict):
        return f"an object with {', '.join(map(repr, list(data)[:10])) or 'no keys'}"
    if isinstance(data, list):
        return f"a list of {len(data)}"
    return json.dumps(data)[:80]
