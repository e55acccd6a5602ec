"""What an HTTP interceptor hands to the player, and what it gets back: no client library is named here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pytest_agent_replay.player.pause import Pause

__all__ = ["Failure", "HttpReply", "HttpRequest", "PassThrough"]

Failure = Literal["connect_timeout", "read_timeout", "total_timeout", "refused", "reset", "eof", "dns"]
"""How a request fails below HTTP. An interceptor raises what its client raises for this on a real network."""


@dataclass(slots=True)
class HttpRequest:
    """One request as it is about to go on the wire. Timeouts are in seconds, None when the client has none."""

    client: str
    """The client library as users know it: requests, urllib3, botocore, httpx, httpx2, aiohttp, http.client."""
    method: str
    url: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    connect_timeout: float | None = None
    read_timeout: float | None = None
    total_timeout: float | None = None

    def header(self, name: str) -> str | None:
        """The first value of a header, by its case-insensitive name."""
        wanted = name.lower()
        for key, value in self.headers:
            if key.lower() == wanted:
                return value
        return None


@dataclass(slots=True)
class HttpReply:
    """What the request is answered with: `exception` or `failure` is raised, else the response is delivered.

    `chunks` (when given) are the pieces in which the body arrives; else `body` is the whole. `pause` is to be waited
    for before anything else happens.
    """

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    chunks: list[bytes] | None = None
    failure: Failure | None = None
    message: str | None = None
    """Text for the failure's exception; None: the client's own usual text."""
    exception: BaseException | None = None
    pause: Pause | None = None


@dataclass(slots=True)
class PassThrough:
    """The request goes to the network, because the settings or its kind (a live model call) allow it.

    `observe(status, headers, body)` (when given) is called once, with what came back, when the client has read the
    body to its end, or with what was read when it closes early. `failed(error)` when the request itself raised.
    """

    observe: Callable[[int, list[tuple[str, str]], bytes], None] | None = None
    failed: Callable[[BaseException], None] | None = None
