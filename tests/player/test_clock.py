"""Virtual time: latencies add up along a path, parallel calls count once, nothing sleeps."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time

from pytest_agent_replay.player.clock import VirtualClock


def test_sequential_latencies_add_up_without_waiting() -> None:
    """An hour of recorded latency takes no time."""
    clock = VirtualClock()
    started = time.perf_counter()
    with clock:
        clock.spend(1_800_000)
        clock.spend(1_800_000)
        assert clock.simulated_ms == 3_600_000
        assert clock.now_ms() >= 3_600_000
    assert time.perf_counter() - started < 1


def test_gathered_calls_count_once_and_what_follows_adds_up() -> None:
    """gather(10 s, 4 s), then 5 s: 15 s."""
    clock = VirtualClock()

    async def call(ms: float) -> None:
        await asyncio.sleep(0)
        clock.spend(ms)

    async def main() -> None:
        with clock:
            await asyncio.gather(call(10_000), call(4_000))
            clock.spend(5_000)

    asyncio.run(main())
    assert clock.simulated_ms == 15_000


def test_tasks_one_after_another_add_up() -> None:
    """A task that was made after a call had ended comes after it."""
    clock = VirtualClock()

    async def call(ms: float) -> None:
        clock.spend(ms)

    async def main() -> None:
        with clock:
            for _ in range(3):
                await asyncio.create_task(call(1_000))

    asyncio.run(main())
    assert clock.simulated_ms == 3_000


def test_threads_count_once_and_the_caller_waits_for_them() -> None:
    """Two threads with a copied context, then the caller again."""
    clock = VirtualClock()
    with clock:
        threads = [
            threading.Thread(target=contextvars.copy_context().run, args=(clock.spend, ms)) for ms in (3_000, 7_000)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        clock.spend(1_000)
    assert clock.simulated_ms == 8_000


def test_threads_without_context_count_once() -> None:
    """A bare pool carries no context."""
    clock = VirtualClock()
    with clock:
        threads = [threading.Thread(target=clock.spend, args=(ms,)) for ms in (3_000, 7_000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert clock.simulated_ms == 7_000


def test_pool_calls_one_after_another_add_up() -> None:
    """`await to_thread(a)`, then `await to_thread(b)`: one after the other, on the same worker."""
    clock = VirtualClock()

    async def main() -> list[bool]:
        with clock:
            return [await asyncio.to_thread(clock.spend, ms) for ms in (3_000, 4_000)]

    assert asyncio.run(main()) == [False, False]
    assert clock.simulated_ms == 7_000


def test_parallel_calls_are_told_from_sequential_ones() -> None:
    """Also when nothing had a latency."""
    clock = VirtualClock()

    async def call() -> bool:
        return clock.spend(0)

    async def main() -> tuple[list[bool], list[bool]]:
        with clock:
            one_by_one = [clock.spend(0), clock.spend(0), await call()]
            return one_by_one, list(await asyncio.gather(call(), call(), call()))

    sequential, gathered = asyncio.run(main())
    assert sequential == [False, False, False]
    assert gathered == [False, True, True]
