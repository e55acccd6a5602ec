"""The pieces of an answer that does not come at once → the answer.

What each piece says is looked for under the names that streams use (`delta`, `text`, `content`, `choices[0].delta`, …).
The answer is, in this order:

1. a last piece that is a result itself: messages or the result of a library, one with a field such as `output` or
   `answer`, or one that carries the whole text of the others;
2. where every piece repeats the one before (states, texts so far), the last one;
3. of messages of the assistant, the last message, of all of its pieces;
4. what the pieces say, joined: without tools, thoughts and what others said, and nothing twice;
5. without any text, the last piece.

What that leaves open is noted in the running session: that the last of several pieces without text was taken, that
texts of several kinds were joined, and which were left out.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, NamedTuple

from pytest_agent_replay.agents.answers import is_of_assistant, is_result, role_of, usage_of
from pytest_agent_replay.player.current import known_session

__all__ = ["Frame", "answer_of", "joined_at", "note_returned", "says_something"]

_MISSING: Any = object()
_KINDS = ("type", "event", "kind", "role", "event_kind", "part_kind", "part_delta_kind", "chunk_type")
_NESTED = frozenset({"choices", "candidates", "parts", "part", "event", "item", "raw_item", "contentBlockDelta"})
"""Names under which there is no text itself, but what holds it."""
_PLACES = (
    *("delta", "content_delta", "token", "chunk", "choices", "candidates", "contentBlockDelta"),
    *("text", "content", "contents", "parts", "part", "message", "data", "answer", "response", "reply", "output"),
    *("event", "item", "raw_item"),
)
_MAX_DEPTH = 7

_FINAL_FIELDS = ("final_output", "output", "answer", "final", "final_answer", "output_text", "response", "reply")
_FINAL_KINDS = frozenset({"final", "answer", "result", "complete", "completed"})
_DELTAS = frozenset({"delta", "token", "chunk", "partial", "streaming"})
_SILENT = frozenset(
    {
        *("tool", "tools", "function", "arguments", "interpreter", "mcp", "audio"),
        *("reasoning", "thinking", "thought", "thoughts"),
        *("user", "human", "system", "developer"),
    }
)
"""Kinds of what no assistant says: tools, thoughts, and the others of the conversation."""
_ASIDE = frozenset(
    {
        *("status", "progress", "log", "debug", "ping", "heartbeat", "metadata", "usage"),
        *("citation", "citations", "source", "sources", "title", "error", "errors"),
    }
)
_ABOUT = _ASIDE | {
    *(
        "type",
        "event",
        "kind",
        "id",
        "index",
        "done",
        "end",
        "finish",
        "finished",
        "final",
        "stop",
        "close",
        "complete",
    ),
    *("completed", "tokens", "meta", "model", "created", "start", "finish_reason", "stop_reason", "is_final"),
    *("session_id", "thread_id", "run_id", "message_id", "messageId", "usage_metadata", "success", "ok", "latency"),
}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


class Frame(NamedTuple):
    """A piece that came under a name, as a server-sent event."""

    name: str
    data: Any


class _Piece(NamedTuple):
    value: Any
    kinds: tuple[str, ...]
    path: tuple[str, ...]
    text: str | None
    """None: it says nothing."""

    @property
    def group(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self.kinds, self.path

    @property
    def words(self) -> frozenset[str]:
        return _words(self.kinds)

    @property
    def is_delta(self) -> bool:
        return isinstance(self.value, str) or not _DELTAS.isdisjoint(_words((*self.kinds, *self.path)))

    @property
    def title(self) -> str:
        return next((kind for kind in self.kinds if kind), None) or (self.path[-1] if self.path else "text")


def answer_of(values: Iterable[Any]) -> Any:
    """The one answer that the pieces are, as `answers.read_answer` takes it; see the module. No piece: None."""
    values = [value for value in values if not _is_empty(value)]
    if not values:
        return None
    if all(isinstance(value, str) for value in values):
        return _of_texts(values)
    if all(isinstance(value, bytes) for value in values):
        whole = b"".join(values)
        framed = _framed(whole.decode("utf-8", "replace"))
        return whole if framed is None else framed
    return _of_pieces(list(map(_read, values)))


def note_returned(returned: Any, values: Iterable[Any]) -> None:
    """Notes that a generator said more than what it returned, which is its answer."""
    pieces = [_read(value) for value in values if not _is_empty(value)]
    if sum(bool(piece.text) for piece in pieces) > 1:
        _note_unsaid(_read(returned), [piece for piece in pieces if piece.text])


def joined_at(values: Iterable[Any], find: Callable[[Any], Any]) -> Any:
    """What `find` gives of the pieces, joined; those for which it raises `LookupError` are left out.

    Raises the last `LookupError` when there is none but them.
    """
    pieces: list[_Piece] = []
    missed: LookupError | None = None
    for value in values:
        inner = value.data if isinstance(value, Frame) else value
        try:
            text = find(inner)
        except LookupError as error:
            missed = error
            continue
        kinds = tuple(_kinds(inner, (value.name,) if isinstance(value, Frame) else ()))
        pieces.append(_Piece(inner, kinds, ("",), text))
    if not pieces and missed is not None:
        raise missed
    said = [piece for piece in pieces if piece.words.isdisjoint(_SILENT)] or pieces
    texts = [piece.text or "" for piece in said]
    if not any(piece.is_delta for piece in said) and _are_so_far(texts):
        return texts[-1]
    return "".join(piece.text or "" for piece in _told_once(said))


def says_something(values: Iterable[Any]) -> bool:
    """Whether there is text in one of the pieces."""
    return any(_read(value).text for value in values)


# -- the rule


def _of_texts(texts: list[str]) -> Any:
    if _are_so_far(texts):
        return texts[-1]
    whole = "".join(texts)
    framed = _framed(whole)
    return whole if framed is None else framed


def _are_so_far(texts: list[str]) -> bool:
    """Whether each is all that was said until then; notes it."""
    if texts and texts[-1] != texts[0] and _repeat_each_other(texts):
        _note("each text that the agent yielded begins with the one before: the last is its answer")
        return True
    return False


def _framed(whole: str) -> Any:
    """The answer in a text that is server-sent events or lines of JSON; None when it is neither."""
    from pytest_agent_replay.agents.frames import frames_in

    frames = frames_in(whole)
    return None if frames is None else answer_of(frames)


def _of_pieces(pieces: list[_Piece]) -> Any:
    last = pieces[-1]
    telling = [piece for piece in pieces if piece.text is not None]
    result = _result(last, telling)
    if result is not _MISSING:
        _note_unsaid(last, telling)
        return result
    main = [piece for piece in telling if piece.words.isdisjoint(_ASIDE)]
    if any(piece.text for piece in main):
        telling = main
    if not any(piece.text for piece in telling):
        return _last_without_text(pieces)
    texts = [piece for piece in telling if isinstance(piece.value, str)]
    if texts and all(isinstance(piece.value, str) or not piece.is_delta for piece in telling):
        if not isinstance(last.value, str) and not _is_about_the_stream(last):
            _note_unsaid(last, telling)
            return last.value
        telling = texts
    elif _are_states(telling):
        if telling[-1].text == telling[0].text:
            _note(f"the agent yielded {len(telling)} pieces of one text: the last is its answer")
        return last.value if last is telling[-1] and len(last.path) == 1 else _with_usage(telling[-1].text, pieces)
    elif all(is_of_assistant(piece.value) for piece in telling):
        telling = _last_message(pieces)
    return _joined(telling, pieces)


def _joined(telling: list[_Piece], pieces: list[_Piece]) -> Any:
    last, told = pieces[-1], _told_once(telling)
    _note_left_out(telling, pieces)
    whole = "".join(piece.text or "" for piece in told)
    if last is telling[-1] and len(last.path) == 1 and not last.is_delta and last.text == whole:
        return last.value
    kinds = sorted({piece.title for piece in told if piece.text})
    is_confirmed = any(piece.text == whole for piece in telling)
    if len(kinds) > 1 and len({piece.kinds for piece in told}) > 1 and not is_confirmed:
        _note(f"the agent's answer came in texts of several kinds ({_quoted(kinds)}), which are all taken for it")
    return _with_usage(whole, pieces)


def _result(last: _Piece, telling: list[_Piece]) -> Any:
    """The result that the last piece is or holds, or `_MISSING`."""
    value = last.value
    if isinstance(value, str):
        return _MISSING
    if last.text is not None and (last.is_delta or sum(piece.group == last.group for piece in telling) > 1):
        return _MISSING  # one of a row
    if role_of(value) is None and is_result(value):
        return value
    inner = next(iter(value.values())) if isinstance(value, Mapping) and len(value) == 1 else _field(value, "result")
    if not isinstance(inner, str) and role_of(inner) is None and is_result(inner):
        return inner
    if not last.words.isdisjoint(_SILENT | _ASIDE):
        return _MISSING
    told = _field(value, "result")
    if isinstance(told, str) and told and "".join(piece.text or "" for piece in telling).endswith(told):
        return _with_usage(told, [last])
    if isinstance(told, str) and "result" in last.words:
        return value
    if any(_is_final(name, _field(value, name)) for name in _FINAL_FIELDS):
        return value if len(last.path) < 2 else _MISSING
    is_final = len(last.path) == 1 and bool(last.text) and not last.words.isdisjoint(_FINAL_KINDS)
    return value if is_final else _MISSING


def _is_final(name: str, found: Any) -> bool:
    if name in ("response", "reply"):  # also names for what is said about a response
        return isinstance(found, str) and bool(found)
    return found is not _MISSING and found is not None and found != "" and not isinstance(found, bool)


def _last_without_text(pieces: list[_Piece]) -> Any:
    messages = [piece.value for piece in pieces if role_of(piece.value) is not None]
    if len(messages) == len(pieces):
        return messages
    if len(pieces) > 1 and not is_result(pieces[-1].value):
        _note(f"the agent yielded {len(pieces)} pieces that are no text: the last is its answer")
    return pieces[-1].value


def _are_states(telling: list[_Piece]) -> bool:
    """Whether the pieces are one thing as it grows, and not parts of it."""
    if len({piece.group for piece in telling}) > 1 or telling[0].is_delta:
        return False
    if len(telling) > 1 and len({piece.text for piece in telling}) == 1 and not any(telling[0].kinds):
        first, *others = (_beside_the_text(piece) for piece in telling)
        return any(other != first for other in others) or _repeat_each_other([piece.text or "" for piece in telling])
    return _repeat_each_other([piece.text or "" for piece in telling])


def _beside_the_text(piece: _Piece) -> dict[str, str]:
    fields = piece.value if isinstance(piece.value, Mapping) else getattr(piece.value, "__dict__", {})
    return {str(name): repr(found) for name, found in fields.items() if name not in _ABOUT and name not in piece.path}


def _repeat_each_other(texts: Sequence[str]) -> bool:
    said = [text for text in texts if text]
    # short texts may well begin alike by chance
    is_short = bool(said) and len(said[0]) < 4
    if len(said) < (3 if is_short else 2):
        return False
    return all(
        later.startswith(earlier) and (len(later) > len(earlier) or not is_short) for earlier, later in pairwise(said)
    )


def _last_message(pieces: list[_Piece]) -> list[_Piece]:
    """The pieces of the last message of the assistant that says something."""
    runs: list[list[_Piece]] = [[]]
    known: Any = None
    for piece in pieces:
        if not is_of_assistant(piece.value):
            if role_of(piece.value) is not None:
                runs.append([])
            continue
        ident = _field(piece.value, "id")
        ident = ident if isinstance(ident, str) else None
        if ident is not None and known not in (None, ident) and runs[-1]:
            runs.append([])
        known = ident or known
        if piece.text is not None:
            runs[-1].append(piece)
    return next(run for run in reversed(runs) if any(piece.text for piece in run))


def _told_once(telling: list[_Piece]) -> list[_Piece]:
    """Without what repeats: kinds of which every piece is the end of what was said before, and a last whole text."""
    kept: set[Any] = set()
    for group in dict.fromkeys(piece.group for piece in telling):
        if not kept or not _is_echo(telling, group, kept):
            kept.add(group)
    told = [piece for piece in telling if piece.group in kept]
    before = "".join(piece.text or "" for piece in told[:-1])
    if sum(bool(piece.text) for piece in told) > 2 and told[-1].text == before:
        return told[:-1]
    return told


def _is_echo(telling: list[_Piece], group: Any, kept: set[Any]) -> bool:
    first = next(piece for piece in telling if piece.group == group)
    # the first part of a text may be of a kind of its own, and the second be like it by chance
    if first.is_delta and not any(piece.is_delta for piece in telling if piece.group in kept):
        return False
    said = ""
    echoes = False
    for piece in telling:
        text = piece.text or ""
        if piece.group in kept:
            said += text
        elif piece.group == group and text:
            echoes = said.endswith(text)
            if not echoes:
                return False
    return echoes


def _is_about_the_stream(piece: _Piece) -> bool:
    if not piece.words.isdisjoint(_ABOUT | _SILENT):
        return True
    return isinstance(piece.value, Mapping) and _ABOUT.issuperset(piece.value)


def _with_usage(text: str | None, pieces: list[_Piece]) -> Any:
    """The text; with the token counts, as `read_answer` takes them, where a piece has some."""
    usage = next(filter(None, (usage_of(piece.value) for piece in reversed(pieces))), None)
    return text if usage is None else SimpleNamespace(final_output=text, usage=usage)


# -- one piece


def _read(value: Any) -> _Piece:
    value, names = _opened(value)
    if isinstance(value, str):
        return _Piece(value, names, (), value if _words(names).isdisjoint(_SILENT | _ABOUT) else None)
    found = _find(value, names, (), 0)
    if found is None:
        return _Piece(value, tuple(_kinds(value, names)), (), None)
    kinds, path, text = found
    return _Piece(value, kinds, path, text)


def _opened(value: Any) -> tuple[Any, tuple[str, ...]]:
    """What a piece holds, and under which names: of a frame, `(name, piece)`, `(message, metadata)`."""
    names: list[str] = []
    while isinstance(value, tuple) and len(value) > 1 and (isinstance(value, Frame) or not hasattr(value, "_fields")):
        first, rest = value[0], value[1:]
        if isinstance(first, str):
            names.append(first)
        elif not (isinstance(first, tuple) and all(isinstance(name, str) for name in first)):
            is_message = role_of(first) is not None and len(rest) == 1 and isinstance(rest[0], Mapping)
            return (first if is_message else value), tuple(names)
        value = rest[0] if len(rest) == 1 else rest
    return value, tuple(names)


def _find(
    value: Any, kinds: tuple[str, ...], path: tuple[str, ...], depth: int
) -> tuple[tuple[str, ...], tuple[str, ...], str] | None:
    """The kinds, the path and the text of what is said in there; None: nothing."""
    if isinstance(value, str):
        return kinds, path, value
    if depth > _MAX_DEPTH or value is None or isinstance(value, (bytes, int, float)):
        return None
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        parts = [found for found in (_find(part, kinds, path, depth + 1) for part in value) if found is not None]
        return (parts[0][0], parts[0][1], "".join(part[2] for part in parts)) if parts else None
    kinds = tuple(_kinds(value, kinds))
    if not _words(kinds).isdisjoint(_SILENT) or _field(value, "thought") is True or _field(value, "source") == "user":
        return None
    for name in _PLACES:
        inner = _field(value, name)
        if inner is _MISSING or inner is None or (name in _NESTED and isinstance(inner, str)):
            continue
        if name == "output" and depth == 0 and not isinstance(inner, str):
            continue  # a structured answer, and no text in pieces
        found = _find(inner, kinds, (*path, name), depth + 1)
        if found is not None or name in ("choices", "candidates"):
            return found
    return None


def _kinds(value: Any, names: tuple[str, ...] = ()) -> Iterator[str]:
    yield from names
    if not isinstance(value, Mapping):
        kind = type(value)
        yield "" if kind.__module__ in ("builtins", "types") else kind.__name__
    for name in _KINDS:
        found = _field(value, name)
        found = found.value if isinstance(found, Enum) else found
        if isinstance(found, str):
            # that only the first of a row says who speaks makes it no other kind
            if name == "role" and found.lower() in ("assistant", "ai", "model"):
                continue
            yield found
    if _field(value, "partial") is True:
        yield "partial"


@functools.lru_cache(maxsize=1024)
def _words(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(word.lower() for name in names for word in _WORD.findall(name))


def _field(value: Any, name: str) -> Any:
    """A field that really is there: not one that an object makes up when it is asked (a mock)."""
    if isinstance(value, Mapping):
        return value.get(name, _MISSING)
    if not hasattr(type(value), name) and name not in getattr(value, "__dict__", ()):
        return _MISSING
    try:
        found = getattr(value, name)
    except Exception:  # a property that this piece has no value for
        return _MISSING
    return _MISSING if callable(found) and not isinstance(found, str) else found


def _is_empty(value: Any) -> bool:
    """Whether a piece is nothing: None, also as the update of a state by a node that changes nothing."""
    if isinstance(value, Mapping) and len(value) == 1:
        [(name, inner)] = value.items()
        return inner is None and name not in _PLACES and name not in _FINAL_FIELDS
    return value is None


# -- notes


def _note_left_out(telling: list[_Piece], pieces: list[_Piece]) -> None:
    taken = set(map(id, telling))
    left = Counter(
        piece.title
        for piece in pieces
        if id(piece) not in taken and (piece.text or "error" in piece.words) and not is_of_assistant(piece.value)
    )
    if left:
        counted = ", ".join(f"{number} of `{kind}`" for kind, number in left.items())
        _note(f"of the pieces that the agent's answer came in, these are taken for no part of it: {counted}")


def _note_unsaid(last: _Piece, telling: list[_Piece]) -> None:
    before = [piece for piece in telling if piece is not last and piece.words.isdisjoint(_ASIDE)]
    said = "".join(piece.text or "" for piece in _told_once(before))
    if said and not _holds(last.value, said):
        _note("what the agent yielded or returned last is its answer; what the pieces before it say is no part of it")


def _holds(value: Any, text: str, depth: int = 0) -> bool:
    if isinstance(value, str):
        return text.strip() in value
    if depth > _MAX_DEPTH or value is None or isinstance(value, (bytes, int, float)):
        return False
    if isinstance(value, Mapping):
        return any(_holds(inner, text, depth + 1) for inner in value.values())
    if isinstance(value, (list, tuple)):
        return any(_holds(inner, text, depth + 1) for inner in value)
    return any(_holds(inner, text, depth + 1) for inner in getattr(value, "__dict__", {}).values())


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _note(text: str) -> None:
    session = known_session()
    if session is not None:
        session.note(text)
