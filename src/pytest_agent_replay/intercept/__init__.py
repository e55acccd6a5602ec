"""Where the agent's calls are caught. One file per target; each names itself in `INTERCEPTORS`.

Agent frameworks have their own folder, `frameworks`.
"""

from __future__ import annotations

from functools import cache

from pytest_agent_replay.intercept.registry import Interceptor

__all__ = ["built_in_interceptors"]


@cache
def built_in_interceptors() -> tuple[Interceptor, ...]:
    """The interceptors that this package ships. Loading them imports no client library."""
    from pytest_agent_replay.intercept import aiohttp_, background, backoff, http_client, httpx_, sockets, urllib3_
    from pytest_agent_replay.intercept.frameworks import framework_interceptors

    modules = (sockets, background, http_client, urllib3_, httpx_, aiohttp_, backoff)
    return (*(each for module in modules for each in module.INTERCEPTORS), *framework_interceptors())
