"""Where the agent's calls are caught. One file per target; each names itself in `INTERCEPTORS`.

Agent frameworks have their own folder, `frameworks`.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

from pytest_agent_replay.intercept.registry import Interceptor, Patcher

__all__ = ["built_in_interceptors"]

_CLIENTS = {
    "http.client": "http_client",
    "httplib2": "http_client",
    "urllib3.connectionpool": "urllib3_",
    "requests.sessions": "urllib3_",
    "httpx": "httpx_",
    "httpx2": "httpx_",
    "aiohttp.connector": "aiohttp_",
}
"""The modules of HTTP clients → our file for each, loaded once the agent has imported the client, never earlier."""


@cache
def built_in_interceptors() -> tuple[Interceptor, ...]:
    """The interceptors that this package ships. Loading them imports no client library."""
    from pytest_agent_replay.intercept import background, backoff, sockets
    from pytest_agent_replay.intercept.frameworks import framework_interceptors

    return (
        *sockets.INTERCEPTORS,
        *background.INTERCEPTORS,
        *(_of_client(waited, file) for waited, file in _CLIENTS.items()),
        *backoff.INTERCEPTORS,
        *framework_interceptors(),
    )


def _of_client(waited: str, file: str) -> Interceptor:
    def apply(module: ModuleType, patcher: Patcher) -> None:
        _interceptors_of(file)[waited].apply(module, patcher)

    return Interceptor(waited, waited, apply)


@cache
def _interceptors_of(file: str) -> dict[str, Interceptor]:
    from importlib import import_module

    return {each.module: each for each in import_module(f"{__name__}.{file}").INTERCEPTORS}
