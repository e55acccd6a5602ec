"""What the renderers of several wire formats share.

What a recording does not say is made up so that the same recording and request always give the same bytes: ids are
hashes, dates are fixed, token counts that are not known are 0 where the API always sends counts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from pytest_agent_replay.formats.replay import LlmResponse, RecordedToolCall
from pytest_agent_replay.llm.neutral import ModelRequest
from pytest_agent_replay.player.http import HttpReply

__all__ = ["CREATED", "IdMaker", "arguments_text", "json_reply", "pieces", "reply_headers", "stream_reply"]

CREATED = 1_735_689_600
"""The date of every answer, in seconds since 1970: 2025-01-01T00:00:00Z."""

_PIECE = 24  # characters of text per streamed chunk
_MADE_ANEW = frozenset({"content-type", "content-length", "content-encoding", "transfer-encoding", "connection"})


class IdMaker:
    """Ids for one answer to one request: two steps of a conversation share none.

    Steps differ in the number of their messages; `also` is what they differ in where the provider keeps the messages.
    """

    def __init__(self, answer: LlmResponse, request: ModelRequest, also: str = "") -> None:
        self._seed = f"{len(request.messages)}:{also}{answer.model_dump_json(exclude_none=True)}"

    def __call__(self, prefix: str, purpose: str = "id", length: int = 29) -> str:
        """`prefix` and `length` hexadecimal digits (at most 64), always the same for a `purpose`."""
        text = f"{purpose}:{self._seed}".encode("utf-8", "surrogatepass")
        return prefix + hashlib.sha256(text).hexdigest()[:length]


def arguments_text(call: RecordedToolCall) -> str:
    """A call's arguments as the JSON text that the model wrote; broken where it was broken."""
    if call.raw_args is not None:
        return call.raw_args
    return json.dumps(call.args or {}, ensure_ascii=False, separators=(",", ":"))


def pieces(text: str | None) -> list[str]:
    """A text in the pieces in which it is streamed."""
    return [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)] if text else []


def reply_headers(
    answer: LlmResponse, content_type: str, request_id: tuple[str, str] | None = None
) -> list[tuple[str, str]]:
    """The recorded headers, without those that belong to other bytes.

    `request_id` is the header (name in lower case, value) that the API always sends, added where none was recorded.
    """
    headers = [("content-type", content_type)]
    for name, value in (answer.headers or {}).items():
        if name.lower() not in _MADE_ANEW:
            headers.extend((name, item) for item in ([value] if isinstance(value, str) else value))
    if request_id is not None and not any(name.lower() == request_id[0] for name, _ in headers):
        headers.append(request_id)
    return headers


def json_reply(status: int, headers: list[tuple[str, str]], body: Any) -> HttpReply:
    """A reply with a JSON body."""
    return HttpReply(status=status, headers=headers, body=json.dumps(body, separators=(",", ":")).encode())


def stream_reply(status: int, headers: list[tuple[str, str]], chunks: Iterable[bytes]) -> HttpReply:
    """A reply whose body arrives in pieces."""
    listed = list(chunks)
    return HttpReply(status=status, headers=headers, body=b"".join(listed), chunks=listed)
