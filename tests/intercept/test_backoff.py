"""Clients that wait before another try do it in virtual time, while everything is recorded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.report.results import ReplayResult
from pytest_agent_replay.runner import Case, run_replay
from pytest_agent_replay.settings import Settings

ROOT = Path(__file__).parents[2]
RECORDED = Settings(llm="recorded")
URL = "http://api.example.com/inventory"
UP_AGAIN = [{"tool": "inventory", "status": 503}, {"tool": "inventory", "response": {"left": 3}}]


def play(
    agent: Callable[[str], Any],
    settings: Settings = RECORDED,
    **replay: Any,
) -> ReplayResult:
    """Runs it, in no time."""
    file = ReplayFile.model_validate({"input": "Go", **replay})
    start = time.perf_counter()
    result = run_replay(Case(file, "retries", ROOT / "retries.replay.yaml", ROOT, agent, settings=settings))
    assert time.perf_counter() - start < 3
    return result


def answer(result: ReplayResult) -> Any:
    """What the agent answered."""
    (turn,) = result.turns
    assert turn.error is None, turn.error
    return turn.output


def test_requests_with_a_retry_policy() -> None:
    """The time that it would have waited counts."""
    requests = pytest.importorskip("requests")
    urllib3 = pytest.importorskip("urllib3")

    def agent(input: str) -> Any:
        policy = urllib3.Retry(total=3, backoff_factor=20, backoff_jitter=0, status_forcelist=[503])
        with requests.Session() as http:
            http.mount("http://", requests.adapters.HTTPAdapter(max_retries=policy))
            return http.get(URL).json()["left"]

    result = play(agent, tool_responses=[{"tool": "inventory", "status": 503}, *UP_AGAIN])
    assert answer(result) == 3
    assert 40_000 <= result.simulated_ms < 41_000


def test_tenacity_sync_and_async() -> None:
    """Around a tool of the agent."""
    tenacity = pytest.importorskip("tenacity")
    httpx = pytest.importorskip("httpx")
    patient = {"wait": tenacity.wait_fixed(30), "stop": tenacity.stop_after_attempt(5)}

    def ask() -> Any:
        return httpx.get(URL).raise_for_status().json()["left"]

    async def ask_async() -> Any:
        async with httpx.AsyncClient() as http:
            return (await http.get(URL)).raise_for_status().json()["left"]

    retried: Any = tenacity.retry(**patient)(ask)
    retried_async: Any = tenacity.retry(**patient)(ask_async)

    async def agent(input: str) -> Any:
        return await retried_async()

    for each in (lambda input: retried(), agent):
        result = play(each, tool_responses=UP_AGAIN)
        assert answer(result) == 3
        assert 30_000 <= result.simulated_ms < 31_000


def test_an_sdk_after_a_broken_connection() -> None:
    """There no header tells it to wait no longer."""
    openai = pytest.importorskip("openai")
    answers = [{"status": 0, "error": "reset"}, {"status": 0, "error": "reset"}, {"content": "Here."}]

    def agent(input: str) -> Any:
        client = openai.OpenAI(api_key="none", base_url="http://127.0.0.1:9/v1", max_retries=2)
        reply = client.chat.completions.create(model="m", messages=[{"role": "user", "content": input}])
        return reply.choices[0].message.content

    async def agent_async(input: str) -> Any:
        client = openai.AsyncOpenAI(api_key="none", base_url="http://127.0.0.1:9/v1", max_retries=2)
        reply = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": input}])
        return reply.choices[0].message.content

    for each in (agent, agent_async):
        result = play(each, llm_responses=answers)
        assert answer(result) == "Here."
        assert result.simulated_ms > 500


def test_boto3_after_a_refusal() -> None:
    """Its standard and its old way of trying again."""
    boto3 = pytest.importorskip("boto3")
    config = pytest.importorskip("botocore.config")

    def agent(input: str) -> Any:
        client = boto3.client(
            "s3",
            region_name="eu-west-1",
            aws_access_key_id="none",
            aws_secret_access_key="none",
            config=config.Config(retries={"max_attempts": 6, "mode": input}),
        )
        return client.list_buckets()["Buckets"]

    listing = "<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>"
    route = "GET https://s3.eu-west-1.amazonaws.com/"
    responses = [*[{"tool": route, "status": 503}] * 5, {"tool": route, "response": listing}]
    for mode in ("standard", "legacy"):
        assert answer(play(agent, input=mode, tool_responses=responses)) == []


def test_once_something_is_asked_for_real_waits_are_real() -> None:
    """A real server that says "later" means it."""
    tenacity = pytest.importorskip("tenacity")
    httpx = pytest.importorskip("httpx")
    tries: list[float] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tries.append(time.perf_counter())
            self.send_response(503 if len(tries) == 1 else 204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def ask() -> Any:
        return httpx.get(f"http://127.0.0.1:{server.server_port}/health").raise_for_status().status_code

    def agent(input: str) -> Any:
        return tenacity.Retrying(wait=tenacity.wait_fixed(0.1))(ask)

    try:
        result = play(agent, settings=Settings(allow_hosts=("127.0.0.1",)))
    finally:
        server.shutdown()
        server.server_close()
    assert answer(result) == 204
    assert tries[1] - tries[0] >= 0.1
