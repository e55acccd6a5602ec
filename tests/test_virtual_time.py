"""Timeouts around recorded slow calls fire when they did in production, and nobody waits for it."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.report.results import ReplayResult
from pytest_agent_replay.runner import Case, run_replay, run_replay_async
from pytest_agent_replay.settings import Settings

ROOT = Path(__file__).parent.parent
REAL = "the real tool ran"


async def slow(n: int = 0) -> Any:
    """A tool."""
    raise RuntimeError(REAL)


def blocking(n: int = 0) -> Any:
    """A tool of threads."""
    raise RuntimeError(REAL)


def recorded(*latencies_s: float, tool: str = "slow") -> list[dict[str, Any]]:
    """Calls with n = 0, 1, …"""
    return [
        {"tool": tool, "args": {"n": n}, "response": n, "latency_ms": 1000 * seconds}
        for n, seconds in enumerate(latencies_s)
    ]


def case(agent: Callable[[str], Any], responses: list[dict[str, Any]], **settings: Any) -> Case:
    """A replay without a contract."""
    replay = ReplayFile.model_validate({"input": "Go", "tool_responses": responses})
    return Case(replay, "slow", ROOT / "slow.replay.yaml", ROOT, agent, settings=Settings(**settings))


@pytest.fixture(autouse=True)
def _nobody_waits() -> Iterator[None]:
    start = time.perf_counter()
    yield
    assert time.perf_counter() - start < 3


def play(agent: Callable[[str], Any], responses: list[dict[str, Any]], **settings: Any) -> ReplayResult:
    """Runs it."""
    return run_replay(case(agent, responses, **settings))


def answer(result: ReplayResult) -> Any:
    """What the agent answered."""
    (turn,) = result.turns
    assert turn.error is None, turn.error
    return turn.output


async def impatient(input: str) -> str:
    """Waits for 5 seconds."""
    try:
        return str(await asyncio.wait_for(slow(), 5))
    except asyncio.TimeoutError:
        return "gave up"


@pytest.mark.parametrize(("latency", "said"), [(30, "gave up"), (5.5, "gave up"), (4.5, "0"), (0, "0")])
def test_wait_for_fires_as_it_did(latency: float, said: str) -> None:
    """Over its seconds the call is cancelled, under them it is answered."""
    assert answer(play(impatient, recorded(latency))) == said


def test_what_was_given_up_failed_after_the_time_that_was_waited() -> None:
    """In the trace, and in the time that the run took."""
    result = play(impatient, recorded(30))
    (call,) = result.tool_calls
    assert call["failed"]
    assert call["error"]["type"] == "asyncio.CancelledError"
    # a busy machine adds the milliseconds that it really takes
    assert re.fullmatch(r"given up after (4,9|5,0)\d\d ms \(recorded: 30,0\d\d ms\)", call["error"]["message"])
    assert 4_900 < call["latency_ms"] < 5_100
    assert 4_900 < result.simulated_ms < 5_100


def test_parallel_calls_take_as_long_as_the_slowest() -> None:
    """A timeout of 15 s around three of 10 s does not fire, around three in a row it does."""

    async def together(input: str) -> Any:
        return await asyncio.wait_for(asyncio.gather(slow(0), slow(1), slow(2)), 15)

    async def in_a_row(input: str) -> str:
        done = []

        async def all_of_them() -> None:
            for n in range(3):
                done.append(await slow(n))

        try:
            await asyncio.wait_for(all_of_them(), 15)
        except asyncio.TimeoutError:
            return f"timed out after {len(done)}"
        return "all"

    assert answer(play(together, recorded(10, 10, 10))) == [0, 1, 2]
    assert answer(play(in_a_row, recorded(10, 10, 10))) == "timed out after 1"


def test_calls_finish_in_the_order_of_their_latencies() -> None:
    """`as_completed` gives the fastest first, and each has its own timeout."""

    async def agent(input: str) -> Any:
        order = []
        for each in asyncio.as_completed([slow(0), slow(1), slow(2)]):
            order.append(await each)
        return order

    async def own_timeouts(input: str) -> Any:
        waits = asyncio.wait_for(slow(0), 15), asyncio.wait_for(slow(1), 20)
        return [repr(each)[:12] for each in await asyncio.gather(*waits, return_exceptions=True)]

    assert answer(play(agent, recorded(30, 1, 20))) == [1, 2, 0]
    assert answer(play(own_timeouts, recorded(10, 30)))[0] == "0"
    assert answer(play(own_timeouts, recorded(10, 30)))[1].startswith("TimeoutError")


def test_own_timers_of_the_agent_go_with_its_clock() -> None:
    """What it does meanwhile happens in its order."""

    async def agent(input: str) -> Any:
        seen: list[str] = []

        async def heartbeat() -> None:
            for beat in range(3):
                await asyncio.sleep(2)
                seen.append(f"beat {beat}")

        beating = asyncio.create_task(heartbeat())
        await slow()
        seen.append("slow")
        beating.cancel()
        return seen

    assert answer(play(agent, recorded(5))) == ["beat 0", "beat 1", "slow"]


def test_work_in_a_thread_can_time_out_too() -> None:
    """A sync tool that the loop waits for in a thread."""

    async def agent(input: str) -> str:
        try:
            return str(await asyncio.wait_for(asyncio.to_thread(blocking), 5))
        except asyncio.TimeoutError:
            return "gave up"

    assert answer(play(agent, recorded(30, tool="blocking"))) == "gave up"
    assert answer(play(agent, recorded(3, tool="blocking"))) == "0"


def test_a_thread_that_blocks_the_loop_does_not_hang() -> None:
    """It is answered; no time passes there."""
    from concurrent.futures import ThreadPoolExecutor

    async def agent(input: str) -> str:
        with ThreadPoolExecutor(1) as pool:
            return str(pool.submit(blocking).result())

    assert answer(play(agent, recorded(30, tool="blocking"))) == "0"


def test_a_thread_that_never_ends_does_not_stop_the_clock() -> None:
    """Only for a second."""
    import threading

    stop = threading.Event()

    async def agent(input: str) -> str:
        threading.Thread(target=stop.wait).start()
        try:
            return await impatient(input)
        finally:
            stop.set()

    assert answer(play(agent, recorded(30))) == "gave up"


@pytest.mark.parametrize("library", ["httpx", "aiohttp"])
def test_timeouts_around_a_request(library: str) -> None:
    """The agent's own, shorter than that of the client."""

    async def ask() -> Any:
        if library == "httpx":
            async with httpx.AsyncClient(timeout=60) as client:
                return (await client.get("http://api.example.com/quotes")).json()
        aiohttp = pytest.importorskip("aiohttp")
        async with aiohttp.ClientSession() as client, client.get("http://api.example.com/quotes") as reply:
            return await reply.json()

    async def agent(input: str) -> str:
        try:
            return str(await asyncio.wait_for(ask(), 5))
        except asyncio.TimeoutError:
            return "gave up"

    response = {"tool": "quotes", "response": 1}
    assert answer(play(agent, [{**response, "latency_ms": 30_000}])) == "gave up"
    assert answer(play(agent, [{**response, "latency_ms": 3_000}])) == "1"


def test_a_part_of_the_latency_may_be_real() -> None:
    """With `--replay-latency=0.01` a hundredth is slept, and the whole passes."""
    start = time.perf_counter()
    assert answer(play(impatient, recorded(10), latency=0.01)) == "gave up"
    assert 0.04 < time.perf_counter() - start < 1


def test_sessions_on_one_loop_have_times_of_their_own() -> None:
    """The jump of one expires no timeout of another, nor of the test around them."""

    async def patient(input: str) -> str:
        return str(await asyncio.wait_for(slow(), 15))

    async def main() -> list[ReplayResult]:
        fast, late = case(patient, recorded(10)), case(impatient, recorded(1000))
        return await asyncio.wait_for(
            asyncio.gather(*(run_replay_async(each) for each in (fast, late, fast, late))), timeout=20
        )

    assert [answer(result) for result in asyncio.run(main())] == ["0", "gave up", "0", "gave up"]


def test_the_loop_is_as_before() -> None:
    """Its clock is its own, and what was scheduled is as far away as it was."""

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        before = loop.time()
        handle = loop.call_later(100, print)
        await run_replay_async(case(impatient, recorded(1000)))
        assert "time" not in vars(loop)
        assert "select" not in vars(loop._selector)
        assert loop.time() - before < 3
        assert 97 < handle.when() - loop.time() <= 100
        handle.cancel()

    asyncio.run(main())


@pytest.mark.skipif(sys.platform == "win32", reason="no uvloop there")
def test_on_uvloop_no_time_passes_and_the_result_says_so() -> None:
    """The timeout does not fire, nobody waits, and a note tells."""
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) if sys.version_info >= (3, 11) else pytest.skip() as runner:
        result = runner.run(run_replay_async(case(impatient, recorded(30))))
    assert answer(result) == "0"
    assert "timeouts around recorded calls do not fire there" in " ".join(result.notes)


def test_a_loop_that_the_agent_starts_itself() -> None:
    """In a synchronous agent, in each turn another one."""

    def agent(input: str) -> str:
        return asyncio.run(impatient(input))

    turns = [{"input": "a", "tool_responses": recorded(30)}, {"input": "b", "tool_responses": recorded(3)}]
    replay = ReplayFile.model_validate({"turns": turns})
    result = run_replay(Case(replay, "slow", ROOT / "slow.replay.yaml", ROOT, agent))
    assert [turn.output for turn in result.turns] == ["gave up", "0"]
    assert not any("event loop" in note for note in result.notes)
