"""Files written for people: YAML that is pleasant to read and reads back equal, replaced whole or not at all."""

from __future__ import annotations

import json
import math
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.formats.loading import MAX_DEPTH
from pytest_agent_replay.formats.replay import ReplayFile

__all__ = ["dump_yaml", "file_text", "replay_to_data", "write_text_atomic"]

WIDTH = 110
_FLOW_WIDTH = 70
_LONGEST_KEY = 500
"""YAML readers look no further than 1024 bytes for the `:` of a key."""

_PLAIN = re.compile(r"[^\W_](?:[^\x00-\x1f:#\"'\\]|:(?=[^\s])|(?<! )#)*(?<!\s)|[^\W_]")
_PLAIN_IN_FLOW = re.compile(r"[^\W_](?:[\w ./$@%+()*=-]*[\w./$@%+()*=-])?")
_LOOKS_LIKE_NUMBER = re.compile(r"[0-9][0-9A-Fa-fxXoO_.,:eE+\-TtZz ]*")
_LOOKS_LIKE_CONSTANT = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])
_UNPRINTABLE = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff\\ufeff\\ufffe\\uffff]")
_NEEDS_ESCAPE = re.compile('[\\x00-\\x1f\\x7f-\\xa0\\u2028\\u2029\\ud800-\\udfff\\ufeff\\ufffe\\uffff"\\\\]')
_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def dump_yaml(data: Any) -> str:
    """JSON data as a YAML text that `parse_document` reads back equal. Keys keep their order.

    Text that other YAML readers would take for a number, date or truth value is quoted.
    Raises `ValueError` for what is no JSON, or nested deeper than files may be.
    """
    _check_depth(data, 1)
    if isinstance(data, (dict, list)) and data:
        return "".join(f"{line}\n" for line in _block(data, 0))
    return f"{_text(data, 0)}\n"


def file_text(path: Path, data: Any) -> str:
    """JSON data as the text of the file `path`: JSON when its name ends in `.json`, else YAML. Raises `ValueError`."""
    if path.name.lower().endswith(".json"):
        _check_depth(data, 1)
        return f"{json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)}\n"
    return dump_yaml(data)


def replay_to_data(replay: ReplayFile) -> dict[str, Any]:
    """The data of a replay file: only what was given, in the short form if it was given so."""
    data: dict[str, Any] = replay.model_dump(by_alias=True, exclude_unset=True)
    for part in (data, *(data.get("turns") or ()), *(data.get("forks") or ())):
        for response in (*(part.get("tool_responses") or ()), *(part.get("llm_responses") or ())):
            latency = response.get("latency_ms")
            if isinstance(latency, float) and latency.is_integer():
                response["latency_ms"] = int(latency)
    return data


def write_text_atomic(path: Path, text: str, *, force: bool = False) -> None:
    """Writes a whole file or nothing; an existing one is only replaced with `force`, and keeps its mode.

    Raises `ReplayError`.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not force:
        raise ReplayError(f"{path}: exists already; nothing was written (--force overwrites)")
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name[:40]}.", suffix=".tmp", dir=target.parent)
        with open(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(temporary, _mode(target))
        _put(temporary, target, force)
    except FileExistsError:
        raise ReplayError(f"{path}: exists already; nothing was written (--force overwrites)") from None
    except OSError as error:
        raise ReplayError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


def _mode(target: Path) -> int:
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask


def _put(temporary: str, target: Path, force: bool) -> None:
    if not force:
        try:
            os.link(temporary, target)
            return
        except FileExistsError:
            raise
        except OSError:
            # No hard links here: hold the name by a new empty file, which is then replaced.
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    os.replace(temporary, target)


def _check_depth(value: Any, depth: int) -> None:
    if isinstance(value, (dict, list)):
        if depth > MAX_DEPTH:
            raise ValueError(f"the data is nested more than {MAX_DEPTH} levels deep")
        for item in _items(value):
            _check_depth(item, depth + 1)


def _block(value: dict[str, Any] | list[Any], indent: int) -> Iterator[str]:
    """The lines of a mapping or list that is not empty."""
    pad = " " * indent
    if isinstance(value, list):
        for item in value:
            yield from _entry(f"{pad}- ", pad, item, indent, in_list=True)
        return
    for key, item in value.items():
        if not isinstance(key, str):
            raise ValueError(f"the key {key!r} is not text")
        written = _scalar(key)
        if len(written) > _LONGEST_KEY:
            yield f"{pad}? {written}"
            yield from _entry(f"{pad}: ", pad, item, indent, in_list=True)
        else:
            yield from _entry(f"{pad}{written}: ", pad, item, indent, in_list=False)


def _entry(start: str, pad: str, item: Any, indent: int, *, in_list: bool) -> Iterator[str]:
    """One entry: on the line of its key or dash, or below it."""
    if not isinstance(item, (dict, list)) or not item:
        yield f"{start}{_text(item, indent + 2)}"
        return
    flow = _flow(item) if not (in_list and isinstance(item, dict)) else None
    if flow is not None:
        yield f"{start}{flow}"
        return
    lines = _block(item, indent + 2)
    if in_list:
        yield start + next(lines)[indent + 2 :]
    else:
        yield start.rstrip(" ")
    yield from lines


def _flow(value: dict[str, Any] | list[Any]) -> str | None:
    """A small collection of scalars in one line."""
    if len(value) > 8 or any(isinstance(item, (dict, list)) and item for item in _items(value)):
        return None
    if any(isinstance(item, str) and (len(item) > _FLOW_WIDTH or "\n" in item) for item in _items(value)):
        return None
    if isinstance(value, list):
        text = f"[{', '.join(_scalar(item, in_flow=True) for item in value)}]"
    elif any(not isinstance(key, str) or len(key) > _FLOW_WIDTH for key in value):
        return None
    else:
        pairs = (f"{_scalar(key, in_flow=True)}: {_scalar(item, in_flow=True)}" for key, item in value.items())
        text = f"{{{', '.join(pairs)}}}"
    return text if len(text) <= _FLOW_WIDTH else None


def _items(value: dict[str, Any] | list[Any]) -> list[Any]:
    return value if isinstance(value, list) else list(value.values())


def _text(value: Any, indent: int) -> str:
    """A scalar, or an empty collection; text of several or long lines as a block with this indent."""
    if isinstance(value, str):
        pad = f"\n{' ' * max(indent, 2)}"
        if _fits_literal(value):
            body = value.removesuffix("\n")
            lines = [f"{pad}{line}" if line else "\n" for line in body.split("\n")]
            return ("|" if value.endswith("\n") else "|-") + "".join(lines)
        if _fits_folded(value):
            return ">-" + "".join(f"{pad}{line}" for line in _wrapped(value, max(WIDTH - indent, 40)))
    return _scalar(value)


def _fits_literal(text: str) -> bool:
    if "\n" not in text or text.endswith("\n\n") or text[:1].isspace() or _UNPRINTABLE.search(text):
        return False
    return not any(line.startswith("\t") or line[-1:].isspace() for line in text.split("\n"))


def _fits_folded(text: str) -> bool:
    if len(text) <= WIDTH or "\n" in text or "\t" in text or _UNPRINTABLE.search(text):
        return False
    return " " in text and all(text.split(" "))


def _wrapped(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line


def _scalar(value: Any, *, in_flow: bool = False) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str):
        return value if _is_plain(value, in_flow) else _quoted(value)
    if value == {} or value == []:
        return "{}" if isinstance(value, dict) else "[]"
    raise ValueError(f"a {type(value).__name__} is not a JSON value")


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a JSON value")
    text = float.__repr__(value)
    # With a point, readers of YAML 1.1 take it for a number too.
    return text if "e" not in text or "." in text else text.replace("e", ".0e")


def _is_plain(text: str, in_flow: bool) -> bool:
    pattern = _PLAIN_IN_FLOW if in_flow else _PLAIN
    return bool(
        pattern.fullmatch(text)
        and text.lower() not in _LOOKS_LIKE_CONSTANT
        and not _LOOKS_LIKE_NUMBER.fullmatch(text)
        and not _NEEDS_ESCAPE.search(text)
    )


def _quoted(text: str) -> str:
    if ('"' in text or "\\" in text) and not _UNPRINTABLE.search(text) and "\n" not in text and "\t" not in text:
        return "'{}'".format(text.replace("'", "''"))
    return f'"{_NEEDS_ESCAPE.sub(_escaped, text)}"'


def _escaped(match: re.Match[str]) -> str:
    character = match.group()
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        raise ValueError("half of a surrogate pair is not text")
    return f"\\x{code:02X}" if code < 256 else f"\\u{code:04X}"
