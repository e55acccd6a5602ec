"""Amazon's binary event streams (`application/vnd.amazon.eventstream`), as Bedrock streams its answers.

Format: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html. A message is its length, the
length of its headers, a checksum of these two, the headers, the payload, and a checksum of all that. Each header is a
name and a typed value; Bedrock's are strings (type 7).
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

__all__ = ["CONTENT_TYPE", "event", "exception", "messages"]

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_PRELUDE = struct.Struct(">III")
_STRING = 7


def event(kind: str, payload: dict[str, Any]) -> bytes:
    """An event of this kind."""
    return _message({":event-type": kind, ":content-type": "application/json", ":message-type": "event"}, payload)


def exception(kind: str, payload: dict[str, Any]) -> bytes:
    """An exception, which ends a stream; `kind` as in `throttlingException`."""
    names = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return _message(names, payload)


def _message(headers: dict[str, str], payload: dict[str, Any]) -> bytes:
    named = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    body = json.dumps(payload, separators=(",", ":")).encode()
    lengths = struct.pack(">II", _PRELUDE.size + len(named) + len(body) + 4, len(named))
    message = lengths + struct.pack(">I", zlib.crc32(lengths)) + named + body
    return message + struct.pack(">I", zlib.crc32(message))


def _header(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + struct.pack(">BH", _STRING, len(value)) + value


def messages(body: bytes) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """Headers and JSON payload of each message that is whole. Raises `ValueError` for what is no such stream."""
    start = 0
    while start + _PRELUDE.size <= len(body):
        length, named, checksum = _PRELUDE.unpack_from(body, start)
        if zlib.crc32(body[start : start + 8]) != checksum or length < _PRELUDE.size + named + 4:
            raise ValueError("this is no event stream: a message has a wrong checksum")
        if start + length > len(body):
            return
        payload = start + _PRELUDE.size + named
        yield (
            dict(_headers(body[start + _PRELUDE.size : payload])),
            json.loads(body[payload : start + length - 4] or b"{}"),
        )
        start += length


def _headers(data: bytes) -> Iterator[tuple[str, str]]:
    start = 0
    while start < len(data):
        after = start + 1 + data[start]
        kind, length = struct.unpack_from(">BH", data, after)
        if kind != _STRING:
            raise ValueError(f"a header of an event stream is of type {kind}, expected was a string (7)")
        yield data[start + 1 : after].decode(), data[after + 3 : after + 3 + length].decode()
        start = after + 3 + length
