"""HTTP requests as tool calls: routes, arguments, answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_agent_replay.errors import BindingError
from pytest_agent_replay.formats.replay import ToolResponse, ToolTarget
from pytest_agent_replay.player.http import HttpRequest
from pytest_agent_replay.player.http_tools import HttpTools, Route, arguments_of, is_route, reply_for, waited_ms
from pytest_agent_replay.player.values import covers


def request(method: str, url: str, body: bytes = b"", content_type: str = "", **timeouts: float) -> HttpRequest:
    headers = [("Content-Type", content_type)] if content_type else []
    return HttpRequest("requests", method, url, headers, body, **timeouts)


@pytest.mark.parametrize(
    ("route", "method", "url", "captures"),
    [
        ("GET https://api.example.com/v1/quote*", "GET", "https://api.example.com/v1/quote?t=1", {}),
        ("GET https://api.example.com/v1/quote*", "POST", "https://api.example.com/v1/quote", None),
        ("https://api.example.com/v1/*", "DELETE", "https://api.example.com/v1/a/b", {}),
        ("GET /orders/{id}", "GET", "http://anything:8080/orders/A%2F1", {"id": "A/1"}),
        ("GET /orders/{id}", "GET", "http://anything/orders/1/lines", None),
        ("GET https://API.example.com/x", "GET", "https://api.example.com/x", {}),
        ("GET https://api.example.com:443/x", "GET", "https://api.example.com/x", None),
        ("GET https://api.example.com/x?v=2", "GET", "https://api.example.com/x?v=2", {}),
        ("GET https://api.example.com/x?v=2", "GET", "https://api.example.com/x?v=3", None),
        ("GET https://api.example.com/x", "GET", "https://api.example.com/x/", {}),
        ("GET https://api.example.com/x", "GET", "https://api.example.com.evil.org/x", None),
    ],
)
def test_routes(route: str, method: str, url: str, captures: dict[str, str] | None) -> None:
    """Method, host and path are compared; `*` is anything, `{name}` one segment, the query only where it is given."""
    assert Route(route).captures(request(method, url)) == captures


def test_what_is_a_route() -> None:
    """Dotted references and plain names are not."""
    assert is_route("GET /v1/quote")
    assert is_route("https://example.com/x")
    assert not is_route("pkg.mod:function")
    assert not is_route("GET quote")


def test_arguments_are_query_json_and_form_together() -> None:
    """Query and form values compare as text, JSON values as JSON."""
    body = json.dumps({"ids": [1, 2], "deep": {"a": True}}).encode()
    args = arguments_of(request("POST", "https://x/y?page=2&tag=a&tag=b&empty=", body, "application/json"))
    assert args == {"page": "2", "tag": ["a", "b"], "empty": "", "ids": [1, 2], "deep": {"a": True}}
    assert covers({"page": 2, "tag": ["a", "b"], "deep": {"a": True}}, args)
    assert not covers({"deep": {"a": 1}}, args)
    form = arguments_of(request("POST", "https://x/", b"amount=5&ok=true", "application/x-www-form-urlencoded"))
    assert covers({"amount": 5, "ok": True}, form)


def test_other_bodies_are_one_argument() -> None:
    """A JSON list, plain text and multipart forms are matched too."""
    assert arguments_of(request("POST", "https://x/", b"[1, 2]", "application/json")) == {"json": [1, 2]}
    assert arguments_of(request("POST", "https://x/", b"<a/>", "text/xml")) == {"body": "<a/>"}
    multipart = (
        b'--B\r\nContent-Disposition: form-data; name="k"\r\n\r\nv\r\n'
        b'--B\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\ndata\r\n--B--\r\n'
    )
    assert arguments_of(request("POST", "https://x/", multipart, "multipart/form-data; boundary=B")) == {
        "k": "v",
        "f": "a.txt",
    }


@pytest.mark.parametrize(
    ("url", "tool"),
    [
        ("https://market-data-api.example.com/v1/revenue", "market_data_api"),
        ("https://api.example.com/v1/market_data_api", "market_data_api"),
        ("https://api.example.com/v1/market-data-api?x=1", "market_data_api"),
        ("https://api.example.com/market_data_api/v1", None),
        ("https://other.example.com/", None),
    ],
)
def test_names_are_found_in_the_last_segment_or_a_host_label(url: str, tool: str | None) -> None:
    """Dashes stand for underscores, which host names cannot have."""
    assert HttpTools({}, ["market_data_api"]).named(request("GET", url), {}) == tool


def test_a_tool_that_is_bound_elsewhere_is_not_looked_for_in_urls() -> None:
    """The function answers, not the URL that happens to hold its name."""
    tools = HttpTools({}, ["search"])
    assert tools.named(request("GET", "https://x/search"), {"search": "function a.search"}) is None


def test_routes_can_be_narrowed_by_the_matchers_of_responses() -> None:
    """By their names, with or without `_matcher`; an unknown one is an error."""
    target = ToolTarget(route="POST https://x/rpc", match={"json_params": {"method": "quote"}})
    tools = HttpTools({"quote": target}, [])
    wanted = request("POST", "https://x/rpc", b'{"method": "quote"}', "application/json")
    other = request("POST", "https://x/rpc", b'{"method": "sell"}', "application/json")
    assert tools.routed(wanted) == ("quote", {})
    assert tools.routed(other) is None
    wrong = HttpTools({"quote": ToolTarget(route="POST https://x/rpc", match={"jsno": {}})}, [])
    with pytest.raises(BindingError, match="unknown matcher 'jsno'"):
        wrong.routed(wanted)


def recording(**fields: Any) -> ToolResponse:
    return ToolResponse.model_validate({"tool": "t", **fields})


GET = request("GET", "https://x/", connect_timeout=3.0, read_timeout=10.0)


def test_bodies() -> None:
    """A string is the body as it is, anything else JSON, null nothing."""
    assert reply_for(recording(response='{"a": 1}'), GET).body == b'{"a": 1}'
    assert json.loads(reply_for(recording(response={"a": "é"}), GET).body) == {"a": "é"}
    assert reply_for(recording(response=None, status=504), GET).body == b""
    assert reply_for(recording(response="", status=200), GET).body == b""
    assert reply_for(recording(stream=["data: 1\n\n", "data: 2\n\n"]), GET).chunks == [b"data: 1\n\n", b"data: 2\n\n"]


def test_headers_that_described_the_wire_are_left_out() -> None:
    """The recorded body is decoded already."""
    reply = reply_for(recording(response="x", headers={"Content-Encoding": "gzip", "Set-Cookie": ["a=1", "b=2"]}), GET)
    names = [name.lower() for name, _ in reply.headers]
    assert "content-encoding" not in names
    assert names.count("set-cookie") == 2


@pytest.mark.parametrize(
    ("fields", "failure"),
    [
        ({"status": 0}, "refused"),
        ({"status": 0, "response": "Connection reset by peer"}, "reset"),
        ({"status": 0, "error": "Name or service not known"}, "dns"),
        ({"status": 504, "latency_ms": 30000}, "read_timeout"),
        ({"response": 1, "latency_ms": 10001}, "read_timeout"),
        ({"error": {"type": "requests.exceptions.ReadTimeout", "message": "m"}}, "read_timeout"),
        ({"error": {"type": "requests.exceptions.ConnectTimeout"}}, "connect_timeout"),
        ({"error": {"type": "httpx.ConnectError"}}, "refused"),
        ({"error": {"type": "ConnectionResetError", "message": "m"}}, "reset"),
        ({"error": {"type": "aiohttp.ServerDisconnectedError"}}, "eof"),
    ],
)
def test_transport_failures_are_the_clients_own(fields: dict[str, Any], failure: str) -> None:
    """Whichever client production ran: what is raised is decided by the client that asks now."""
    reply = reply_for(recording(**fields), GET)
    assert reply.failure == failure
    assert reply.exception is None


def test_other_recorded_exceptions_are_raised_as_they_are() -> None:
    """A type that is no transport failure keeps its own class."""
    reply = reply_for(recording(error={"type": "ValueError", "message": "bad"}), GET)
    assert isinstance(reply.exception, ValueError)


def test_a_latency_within_the_timeout_is_an_ordinary_answer() -> None:
    """And the simulated time is the shorter of the two."""
    assert reply_for(recording(status=504, latency_ms=9000), GET).status == 504
    assert waited_ms(9000, GET) == 9000
    assert waited_ms(30000, GET) == 10000
    assert waited_ms(30000, request("GET", "https://x/")) == 30000
