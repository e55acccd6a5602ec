"""Where the agent's calls are caught. One file per target; each names itself in `INTERCEPTORS`.

Agent frameworks have their own folder, `frameworks`.
"""

from __future__ import annotations

from pytest_agent_replay.intercept.registry import Interceptor

__all__ = ["built_in_interceptors"]

_interceptors: list[Interceptor] = []


def built_in_interceptors() -> list[Interceptor]:
    """The interceptors that this package ships. Loading them imports no client library."""
    if not _interceptors:
        from pytest_agent_replay.intercept import aiohttp_, background, backoff, http_client, httpx_, sockets, urllib3_
        from pytest_agent_replay.intercept.frameworks import framework_interceptors

        for module in (sockets, background, http_client, urllib3_, httpx_, aiohttp_, backoff):
            _interceptors.extend(module.INTERCEPTORS)
        _interceptors.extend(framework_interceptors())
    return _interceptors
