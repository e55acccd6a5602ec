"""Waiting before another try, in clients that wait by themselves: it passes in virtual time.

A recorded 429 or 503 makes an SDK try again, after seconds that nobody needs to sit through: the second answer is
recorded too. Only the modules below are touched, in which nothing else sleeps; the sleeps of the agent are its own. As
soon as a session has asked anything for real, everything in it waits for real.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any, cast

from pytest_agent_replay.intercept.registry import Interceptor, Patcher
from pytest_agent_replay.player.current import known_session
from pytest_agent_replay.player.pause import Pause
from pytest_agent_replay.player.session import Session

__all__ = ["INTERCEPTORS"]

_MODULES = {
    "anthropic._base_client": ("time", "anyio"),
    "backoff._async": ("asyncio",),
    "backoff._sync": ("time",),
    "botocore.endpoint": ("time",),
    "google.api_core.retry.retry_unary": ("time",),
    "google.api_core.retry.retry_unary_async": ("asyncio",),
    "google.genai._api_client": ("time", "asyncio"),
    "openai._base_client": ("time", "anyio"),
    "tenacity.nap": ("time",),
    "urllib3.util.retry": ("time",),
}
"""Modules that wait → the names by which they know the modules whose `sleep` they call."""


class _Sleepless:
    """A module with another `sleep`."""

    def __init__(self, module: Any, sleep: Callable[..., Any]) -> None:
        self._module = module
        self.sleep = sleep

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def _apply(names: tuple[str, ...], module: ModuleType, patcher: Patcher) -> None:
    for name in names:
        used = getattr(module, name, None)
        if used is not None and hasattr(used, "sleep"):
            sleep = _sleep(used.sleep) if name == "time" else _sleep_async(used.sleep)
            patcher.set(module, name, _Sleepless(used, sleep))


def _apply_to_tenacity(module: ModuleType, patcher: Patcher) -> None:
    """Its async retries keep the function that sleeps in each object."""
    default = module._portable_async_sleep
    sleep = _sleep_async(default)

    class Sleep:
        def __get__(self, obj: Any, owner: Any = None) -> Any:
            found = obj.__dict__["sleep"] if obj is not None else default
            return sleep if found is default else found

        def __set__(self, obj: Any, value: Any) -> None:
            obj.__dict__["sleep"] = value

    patcher.set(module.AsyncRetrying, "sleep", Sleep())


def _sleep(original: Callable[[float], None]) -> Callable[[float], None]:
    @functools.wraps(original)
    def sleep(seconds: float) -> None:
        pause = _pause(seconds)
        original(seconds) if pause is None else pause.sleep()

    return sleep


def _sleep_async(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def sleep(seconds: float, *args: Any) -> None:
        pause = _pause(seconds)
        await (original(seconds, *args) if pause is None else pause.wait())

    return sleep


def _pause(seconds: float) -> Pause | None:
    session = cast("Session | None", known_session())
    return None if session is None or session.observes or session.has_gone_live else session.waits(seconds)


INTERCEPTORS = (
    *(Interceptor(f"back-off of {name}", name, functools.partial(_apply, names)) for name, names in _MODULES.items()),
    Interceptor("back-off of tenacity.asyncio", "tenacity.asyncio", _apply_to_tenacity),
)
