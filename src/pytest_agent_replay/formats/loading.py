"""Files into plain JSON data, with the line and column of every value.

YAML is read with JSON's scalars: only plain `true`, `false`, `null`, `~`, nothing, and JSON numbers are not
strings, so `2024-05-20`, `12:30`, `yes`, `0123` and `1_000` are text. Not part of the format, and refused with
their place: tags that build objects, merge keys (`<<`), keys that are not strings, duplicate keys, more than one
document in a file.

Refused before it is built: nesting over `MAX_DEPTH`, aliases that expand to more than `MAX_ALIASED_NODES` values
or `MAX_ALIASED_CHARACTERS` characters, numbers of more than `MAX_DIGITS` digits, more than `MAX_NODES` values in
a YAML file.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml
from yaml import (
    AliasEvent,
    CollectionEndEvent,
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from pytest_agent_replay.errors import FormatError, Problem
from pytest_agent_replay.late import late_pattern

__all__ = ["MAX_DEPTH", "MAX_FILE_SIZE", "Document", "field_path", "load_document", "parse_document"]

MAX_FILE_SIZE = 16 * 1024 * 1024
MAX_DEPTH = 100
MAX_NODES = 250_000
MAX_ALIASED_NODES = 100_000
MAX_ALIASED_CHARACTERS = 16 * 1024 * 1024
MAX_DIGITS = 4300

Loc = Sequence[str | int]
Numbers = dict[int, "list[int] | dict[str, int]"]

_EVENT_LOADER: Any = yaml.cyaml.CParser if yaml.__with_libyaml__ else yaml.SafeLoader  # type: ignore[attr-defined]
_READ_ONLY = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_CONSTANTS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_NUMBER_STARTS = frozenset("-0123456789")
_TAG = "tag:yaml.org,2002:"
_JSON_TOKEN = late_pattern(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{\]}]|[^\s\[\]{}:,"]+', re.DOTALL)
_JSON_COLON = late_pattern(r"\s*:")
_JSON_CONSTANT = late_pattern("NaN|-?Infinity")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_SCALAR_TAGS: dict[str, type] = {
    f"{_TAG}int": int,
    f"{_TAG}float": float,
    f"{_TAG}bool": bool,
    f"{_TAG}null": type(None),
}
_TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"
_HALF_A_PAIR = "half of a surrogate pair is not text"
_HINTS = {
    "found character that cannot start any token": "; a value that begins with `@`, a backquote or `%` needs quotes, "
    "and a tab may not indent",
    "mapping values are not allowed in this context": "; a value that contains `: ` needs quotes",
    "could not find expected ':'": "; is a `:` or an indentation missing?",
    "found invalid Unicode character escape code": "; write the character itself",
    "found unexpected end of stream": "; the quote that opens here is not closed",
    "found unknown escape character": "; a `\\` is doubled in double quotes, or stands in single ones",
}
_WRONG_SINCE = frozenset(["could not find expected ':'", "found unexpected end of stream"])
"""What the parser notices late; where it began to read the piece is the place to look at."""
_OTHER_LINE_ENDS = ("\x85", "\u2028", "\u2029")


def field_path(loc: Loc) -> str:
    """A place as users write it: `("tool_responses", 0, "status")` is `tool_responses[0].status`."""
    text = ""
    for step in loc:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{_shown(step)}" if text else _shown(step)
    return text


class Document:
    """The plain data of one file, and where each value stands in it.

    `text` is the file's text without a byte order mark.
    """

    __slots__ = ("_numbers", "_path", "_start", "_starts", "data", "text")

    def __init__(self, path: str, text: str, data: Any, start: int = 0) -> None:
        """`start` is where the data begins in the text."""
        self._path = path
        self.text = text
        self.data = data
        self._start = start
        self._starts: list[int] | None = None
        self._numbers: Numbers | None = None

    @property
    def path(self) -> str:
        """The path as shown to users."""
        return self._path

    def at(self, loc: Loc = ()) -> Any:
        """The value at `loc`. Raises `LookupError` when there is none."""
        value = self.data
        for step in loc:
            value = value[step]
        return value

    def position(self, loc: Loc = ()) -> tuple[int, int]:
        """Line and column, from 1, of the value at `loc`; of an entry of a mapping, that of its key.

        What the file does not have stands at its nearest parent that exists. The places are not known from reading: the
        first question for one goes through the text once more.
        """
        if not loc:
            return _line_column(self.text, self._start)
        if self._starts is None:
            self._starts = list(_json_starts(self.text) if _is_json(self._path) else _yaml_starts(self.text))
        if self._numbers is None:
            self._numbers = {}
            _number_nodes(self.data, 0, self._numbers)
        index = _number_at(self.data, loc, self._numbers)
        return _line_column(self.text, self._starts[index]) if index < len(self._starts) else (1, 1)

    def problem(self, loc: Loc, message: str) -> Problem:
        """`message` at the place of `loc`, with the field's path."""
        line, column = self.position(loc)
        return Problem(self.path, line, column, message, field_path(loc))


def load_document(path: Path, *, display: str | None = None, max_size: int = MAX_FILE_SIZE) -> Document:
    """The data of a YAML file, or of a JSON file when its name ends in `.json`.

    `display` is the path for messages, `max_size` a number of bytes over which nothing is read.
    Raises `FormatError` for whatever is wrong with the file, also that it cannot be read.
    """
    file = os.fspath(path)
    name = file if display is None else display
    return parse_document(_read(file, name, max_size), name)


def parse_document(text: str | bytes, path: str) -> Document:
    """The data of a text that stands, or might stand, in the file `path` (JSON when that ends in `.json`).

    Raises `FormatError`.
    """
    decoded = _decode(text, path) if isinstance(text, bytes) else _checked(text, path)
    if not decoded or decoded.isspace():
        _refuse(path, decoded, 0, "the file is empty")
    if _is_json(path):
        return Document(path, decoded, _parse_json(decoded, path), next(_json_starts(decoded)))
    return _Composer(decoded, path).document()


def _is_json(path: str) -> bool:
    return path.lower().endswith(".json")


def _read(path: str, name: str, max_size: int) -> bytes:
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "a device, pipe or socket"
            raise FormatError(Problem(name, 0, 0, f"this is {kind}, not a file"))
        if status.st_size > max_size:
            _refuse_size(name, f"{status.st_size:,} bytes", max_size)
        data = _content(path, status.st_size, max_size)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise FormatError(Problem(name, 0, 0, f"cannot be read: {reason}")) from None
    if len(data) > max_size:
        _refuse_size(name, f"over {max_size:,} bytes", max_size)
    return data


def _content(path: str, size: int, max_size: int) -> bytes:
    """All of a file that has `size` bytes. A larger one has grown since, or does not know its size."""
    file = os.open(path, _READ_ONLY)
    try:
        data = os.read(file, size + 1)
        while len(data) != size and len(data) <= max_size and (more := os.read(file, max_size + 1)):
            data += more
        return data
    finally:
        os.close(file)


def _refuse_size(name: str, size: str, max_size: int) -> NoReturn:
    message = f"the file has {size}, more than the {max_size:,} allowed; the option `replay_max_file_size` changes that"
    raise FormatError(Problem(name, 0, 0, message))


def _decode(data: bytes, path: str) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in data[:4]:
        _refuse(path, "", 0, "this is not UTF-8 text, but UTF-16, UTF-32 or no text at all; save it as UTF-8")
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        message = f"byte 0x{error.object[error.start]:02X} is not UTF-8; save the file as UTF-8"
        _refuse(path, before, len(before), message)


def _checked(text: str, path: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        _refuse(path, text, error.start, _HALF_A_PAIR)
    return text.removeprefix("\ufeff")


def _line_column(text: str, index: int) -> tuple[int, int]:
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def _refuse(path: str, text: str, index: int, message: str) -> NoReturn:
    raise FormatError(Problem(path, *_line_column(text, index), message))


def _number_nodes(value: Any, node: int, numbers: Numbers) -> int:
    """Numbers the nodes as they stand in the file, keys included; returns the first number that is free.

    `numbers` gets, by the id of every list and mapping, the numbers of its items and keys.
    """
    node += 1
    if isinstance(value, dict):
        keys = numbers[id(value)] = {}
        for key, item in value.items():
            keys[key] = node
            node = _number_nodes(item, node + 1, numbers)
    elif isinstance(value, list):
        items = numbers[id(value)] = []
        for item in value:
            items.append(node)
            node = _number_nodes(item, node, numbers)
    return node


def _number_at(value: Any, loc: Loc, numbers: Numbers) -> int:
    number = 0
    for step in loc:
        is_key = isinstance(value, dict) and step in value
        if not is_key and not (isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value)):
            break
        number = numbers[id(value)][step]  # type: ignore[index]
        value = value[step]
    return number


def _json_starts(text: str) -> Iterator[int]:
    """Where the values and keys of a JSON text begin, in their order."""
    return (token.start() for token in _JSON_TOKEN.finditer(text) if token.group() not in ("]", "}"))


def _yaml_starts(text: str) -> list[int]:
    """Where the values and keys of a YAML text begin, in their order; those of an anchor again for each of its aliases.

    The text was read before, so nothing is wrong with it.
    """
    starts: list[int] = []
    anchors: dict[str, tuple[int, int]] = {}
    within: list[tuple[str | None, int]] = []
    loader = _EVENT_LOADER(text)
    try:
        while (kind := type(event := loader.get_event())) is not DocumentEndEvent:
            if kind is AliasEvent:
                begin, end = anchors[event.anchor]
                starts += starts[begin:end]
            elif issubclass(kind, NodeEvent):
                within.append((event.anchor, len(starts)))
                starts.append(event.start_mark.index)
            if issubclass(kind, (ScalarEvent, CollectionEndEvent)):
                anchor, begin = within.pop()
                if anchor is not None:
                    anchors[anchor] = begin, len(starts)
    finally:
        loader.dispose()
    return starts


class _Composer:
    """Builds one document from the parser's events.

    libyaml's own composer recurses in C and can be made to overflow the stack; its event stream cannot.
    """

    def __init__(self, text: str, path: str) -> None:
        self.text = text
        self.path = path
        self.nodes = 0
        self.depth = 0
        self.anchors: dict[str, tuple[Any, int] | None] = {}
        self.aliased_nodes = 0
        self.aliased_characters = 0

    def document(self) -> Document:
        try:
            loader = _EVENT_LOADER(self.text)
            try:
                return self._document(loader.get_event)
            finally:
                loader.dispose()
        except yaml.MarkedYAMLError as error:
            self._refuse_syntax(error)
        except yaml.reader.ReaderError as error:
            self._refuse_character(error)

    def _document(self, next_event: Callable[[], Any]) -> Document:
        self.next_event = next_event
        next_event()
        if type(next_event()) is StreamEndEvent:
            self._refuse(0, "the file has nothing but comments")
        root = next_event()
        data = self._node(root)
        next_event()
        after = next_event()
        if type(after) is not StreamEndEvent:
            self._refuse(after.start_mark.index, "a second document begins here; a file holds one")
        if escape := _SURROGATE.search(self.text):
            self._check_surrogates(data, escape.start())
        return Document(self.path, self.text, data, root.start_mark.index)

    def _check_surrogates(self, data: Any, start: int) -> None:
        # libyaml refuses such escapes itself; the pure parser takes them.
        try:
            json.dumps(data, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            self._refuse(start, _HALF_A_PAIR)

    def _node(self, event: Any) -> Any:
        kind = type(event)
        if kind is AliasEvent:
            return self._alias(event)
        nodes = self.nodes
        if nodes >= MAX_NODES:
            message = f"more than {MAX_NODES:,} values, too many for YAML; a .json file may have more"
            self._refuse(event.start_mark.index, message)
        self.nodes = nodes + 1
        anchor = event.anchor
        if kind is ScalarEvent and anchor is None and event.tag is None:
            text = event.value
            if event.implicit[0] and (text in _CONSTANTS or text[0] in _NUMBER_STARTS):
                return self._plain(event)
            return text
        if anchor is not None:
            self.anchors[anchor] = None
        value = self._scalar(event) if kind is ScalarEvent else self._collection(event)
        if anchor is not None:
            self.anchors[anchor] = (value, self.nodes - nodes)
        return value

    def _plain(self, event: Any) -> str | int | float | bool | None:
        """What a scalar without quotes and tag means."""
        text: str = event.value
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        match = _NUMBER.fullmatch(text)
        try:
            return _number(match) if match else text
        except _NotJson as mistake:
            self._refuse(event.start_mark.index, str(mistake))

    def _collection(self, event: Any) -> dict[str, Any] | list[Any]:
        is_mapping = type(event) is MappingStartEvent
        if event.tag is not None and event.tag not in ("!", f"{_TAG}{'map' if is_mapping else 'seq'}"):
            self._refuse_tag(event)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self._refuse(event.start_mark.index, _TOO_DEEP)
        value = self._mapping() if is_mapping else self._sequence()
        self.depth -= 1
        return value

    def _sequence(self) -> list[Any]:
        next_event, node = self.next_event, self._node
        items: list[Any] = []
        while type(event := next_event()) is not SequenceEndEvent:
            items.append(node(event))
        return items

    def _mapping(self) -> dict[str, Any]:
        next_event, node = self.next_event, self._node
        items: dict[str, Any] = {}
        while type(event := next_event()) is not MappingEndEvent:
            key = node(event)
            if type(key) is not str or key in items or key == "<<":
                self._check_key(key, event, items)
            items[key] = node(next_event())
        return items

    def _check_key(self, key: Any, event: Any, items: dict[str, Any]) -> None:
        start = event.start_mark.index
        if isinstance(key, (dict, list)):
            self._refuse(start, "a key must be text, not a mapping or a list")
        if not isinstance(key, str):
            written = self.text[start : event.end_mark.index].strip()
            self._refuse(start, f"a key must be text; quote it: {json.dumps(written, ensure_ascii=False)}")
        if key in items:
            self._refuse(start, f"the key `{_shown(key)}` stands here twice")
        if type(event) is ScalarEvent and event.implicit[0]:
            self._refuse(start, "merge keys (`<<`) are not supported; write the keys out")

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        tag = event.tag
        if tag is None:
            return self._plain(event) if event.implicit[0] else text
        return text if tag in ("!", f"{_TAG}str") else self._tagged(text, event)

    def _tagged(self, text: str, event: Any) -> Any:
        wanted = _SCALAR_TAGS.get(event.tag)
        if wanted is None:
            self._refuse_tag(event)
        value = self._plain(event)
        if wanted is float and type(value) is int:
            return float(value)
        if type(value) is not wanted:
            tag = event.tag.replace(_TAG, "!!")
            self._refuse(event.start_mark.index, f"`{_shown(text)}` does not fit its tag `{tag}`")
        return value

    def _alias(self, event: Any) -> Any:
        start, name = event.start_mark.index, event.anchor
        if name not in self.anchors:
            self._refuse(start, f"there is no anchor `&{name}` before this `*{name}`")
        anchored = self.anchors[name]
        if anchored is None:
            self._refuse(start, f"`*{name}` stands inside of `&{name}`: that has no end")
        value, nodes = anchored
        self.nodes += nodes
        self.aliased_nodes += nodes
        if self.aliased_nodes > MAX_ALIASED_NODES:
            self._refuse(start, f"the aliases expand to more than {MAX_ALIASED_NODES:,} values")
        return self._copied(value, start, self.depth)

    def _copied(self, value: Any, start: int, depth: int) -> Any:
        """A copy, so that what the data's users change in one place does not change in another."""
        if isinstance(value, str):
            self.aliased_characters += len(value)
            if self.aliased_characters > MAX_ALIASED_CHARACTERS:
                self._refuse(start, f"the aliases expand to more than {MAX_ALIASED_CHARACTERS:,} characters")
            return value
        if not isinstance(value, (dict, list)):
            return value
        if depth >= MAX_DEPTH:
            self._refuse(start, _TOO_DEEP)
        if isinstance(value, list):
            return [self._copied(item, start, depth + 1) for item in value]
        return {self._copied(key, start, depth): self._copied(item, start, depth + 1) for key, item in value.items()}

    def _refuse(self, index: int, message: str) -> NoReturn:
        _refuse(self.path, self.text, index, message)

    def _refuse_tag(self, event: Any) -> NoReturn:
        tag = _shown(event.tag.replace(_TAG, "!!"))
        self._refuse(event.start_mark.index, f"the tag `{tag}` is not allowed: a file holds plain data only")

    def _refuse_syntax(self, error: yaml.MarkedYAMLError) -> NoReturn:
        problem = str(error.problem or error.context or error)
        begins_before = error.context_mark is not None and problem in _WRONG_SINCE
        mark = error.context_mark if begins_before else error.problem_mark or error.context_mark
        index = mark.index if mark else 0
        hint = _HINTS.get(problem, "")
        if "',' or '" in problem and error.context_mark:
            opened = "{}:{}".format(*_line_column(self.text, error.context_mark.index))
            hint = f"; what was opened at {opened} is not closed, or a comma is missing"
        elif (before := self.text[index - 1 : index]) in _OTHER_LINE_ENDS:
            hint = f"; the character U+{ord(before):04X} before it ends a line: in quotes, write it as an escape"
        self._refuse(index, f"not valid YAML: {problem}{hint}")

    def _refuse_character(self, error: yaml.reader.ReaderError) -> NoReturn:
        # libyaml counts bytes here, the pure parser characters: the text itself says where the character is.
        code = error.character if isinstance(error.character, int) else ord(error.character)
        index = max(self.text.find(chr(code)), 0)
        self._refuse(index, f"the character U+{code:04X} may not stand in a file; in quotes, write it as an escape")


class _NotJson(ValueError):
    """Something that Python's parser takes, and JSON or this format does not."""


def _parse_json(text: str, path: str) -> Any:
    try:
        data = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except _NotJson:
        _refuse(path, text, *_first_mistake(text))
    except json.JSONDecodeError as error:
        message = f"{error.msg[:1].lower()}{error.msg[1:]}{' this place' if error.msg.endswith(' at') else ''}"
        _refuse(path, text, error.pos, f"not valid JSON: {message}")
    except RecursionError:
        _refuse(path, text, _too_deep_at(text) or 0, _TOO_DEEP)
    if _is_too_deep(data):
        _refuse(path, text, _too_deep_at(text) or 0, _TOO_DEEP)
    if _SURROGATE.search(text):
        _check_surrogates(text, path)
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    items = dict(pairs)
    if len(items) != len(pairs):
        raise _NotJson
    return items


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise _NotJson(f"a number of {len(text):,} digits; at most {MAX_DIGITS:,} are read. If it is text, quote it")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise _NotJson(f"the number {_shown(text)} is too large for a float; if it is text, quote it")
    return value


def _constant(name: str) -> NoReturn:
    raise _NotJson(f"`{name}` is not a JSON value; use null, or a string")


def _is_too_deep(data: Any) -> bool:
    """Whether lists and mappings are nested over the limit; looks at one level after the other."""
    level = [data] if isinstance(data, (dict, list)) else []
    depth = 0
    while level and depth <= MAX_DEPTH:
        depth += 1
        items = (each.values() if isinstance(each, dict) else each for each in level)
        level = [item for each in items for item in each if isinstance(item, (dict, list))]
    return depth > MAX_DEPTH


def _too_deep_at(text: str) -> int | None:
    """Where the nesting of a JSON text first exceeds the limit."""
    depth = 0
    for match in _JSON_TOKEN.finditer(text):
        token = match.group()
        if token in ("[", "{"):
            depth += 1
            if depth > MAX_DEPTH:
                return match.start()
        elif token in ("]", "}"):
            depth -= 1
    return None


def _first_mistake(text: str) -> tuple[int, str]:
    """Place and message of the first thing that made the parser's hooks raise `_NotJson`."""
    keys_in: list[set[str]] = [set()]
    for match in _JSON_TOKEN.finditer(text):
        token = match.group()
        try:
            if token in ("[", "{"):
                keys_in.append(set())
            elif token in ("]", "}"):
                keys_in.pop()
            elif token.startswith('"'):
                if _JSON_COLON.match(text, match.end()):
                    _check_twice(json.loads(token), keys_in[-1])
            elif constant := _JSON_CONSTANT.match(token):
                _constant(constant.group())
            elif number := _NUMBER.match(token):
                _number(number)
        except _NotJson as mistake:
            return match.start(), str(mistake)
    return 0, "this is not JSON"


def _check_twice(key: str, keys: set[str]) -> None:
    if key in keys:
        raise _NotJson(f"the key `{_shown(key)}` stands here twice")
    keys.add(key)


def _number(match: re.Match[str]) -> int | float:
    is_float = match.lastindex is not None
    return _float(match.group()) if is_float else _integer(match.group())


def _check_surrogates(text: str, path: str) -> None:
    for match in _JSON_TOKEN.finditer(text):
        token = match.group()
        if _SURROGATE.search(token):
            try:
                json.loads(token).encode()
            except UnicodeEncodeError:
                _refuse(path, text, match.start(), _HALF_A_PAIR)


def _shown(text: str) -> str:
    """A piece of the file in one line of a message."""
    one_line = json.dumps(text, ensure_ascii=False)[1:-1] if not text.isprintable() else text
    return one_line if len(one_line) <= 60 else f"{one_line[:57]}…"
