"""What of a replay file is the session's, and what the format's."""

from __future__ import annotations

from typing import Any

from tests.redaction.harness import redactor

TOKEN = "ghp_" + "a1B2" * 9
DIGEST = "sha256:" + "0123456789abcdef" * 4


def file(**further: Any) -> dict[str, Any]:
    """A file of one turn."""
    return {
        "id": "grace-1",
        "captured_at": "2026-02-15T09:12:00Z",
        "input": "Hi, I am Grace Moss, grace@acme.io",
        "tool_responses": [
            {
                "tool": "get_customer",
                "args": {"email": "grace@acme.io"},
                "response": {"customer": {"first_name": "Grace", "last_name": "Moss"}},
                "call_id": "call_1",
            }
        ],
        "llm_responses": [
            {
                "model": "gpt-4o",
                "content": None,
                "tool_calls": [{"id": "call_1", "name": "get_customer", "args": {"email": "grace@acme.io"}}],
                "request": {"messages": DIGEST},
            },
            {"content": "Hello Grace Moss"},
        ],
        "output": "Hello Grace Moss",
        **further,
    }


def test_a_session_is_redacted_and_its_frame_stays() -> None:
    """Inputs, arguments, results and answers agree afterwards; names of tools, ids, times and digests are as before."""
    data = file()
    cleaned = redactor().replay(data)
    assert "grace@" not in str(cleaned)
    assert "Moss" not in str(cleaned)
    [tool] = cleaned["tool_responses"]
    [first, second] = cleaned["llm_responses"]
    assert tool["args"] == first["tool_calls"][0]["args"]
    assert second["content"] == cleaned["output"]
    assert (tool["tool"], tool["call_id"]) == ("get_customer", "call_1")
    assert first["request"] == {"messages": DIGEST}
    assert (cleaned["captured_at"], first["model"]) == (data["captured_at"], "gpt-4o")
    assert list(tool) == list(data["tool_responses"][0])
    assert redactor().replay(cleaned) == cleaned


def test_what_a_contract_expects_is_redacted_alike() -> None:
    """Its values are the session's; its types and names are the format's."""
    contract = {"invariants": [{"type": "output_contains", "value": "Grace Moss", "tool": "get_customer"}]}
    cleaned = redactor().replay(file(contract=contract))
    [invariant] = cleaned["contract"]["invariants"]
    assert (invariant["type"], invariant["tool"]) == ("output_contains", "get_customer")
    assert invariant["value"] in cleaned["output"]


def test_a_secret_in_a_route_matches_any() -> None:
    """The replayed agent has another one."""
    route = f"GET https://api.acme.io/v1/x?token={TOKEN}&n=1"
    cleaned = redactor().replay(file(tool_responses=[{"tool": route, "response": 1}]))
    assert cleaned["tool_responses"][0]["tool"] == "GET https://api.acme.io/v1/x?token=ghp_*&n=1"


def test_types_of_errors_stay() -> None:
    """Their messages do not."""
    error = {"type": "shop.PaymentError", "message": "no card of jane@acme.io"}
    cleaned = redactor().replay(file(tool_responses=[{"tool": "pay", "error": error}]))
    assert cleaned["tool_responses"][0]["error"]["type"] == "shop.PaymentError"
    assert "jane" not in cleaned["tool_responses"][0]["error"]["message"]


def test_what_the_end_of_a_chunk_cuts() -> None:
    """The chunks of a stream are one text; a stand-in is in the chunk where its original began."""
    chunks = [f"key {TOKEN[:9]}", TOKEN[9:20], f"{TOKEN[20:]} of grace@", "acme.io", "", " and ok"]
    tool = {"tool": "GET https://h.example/s", "stream": chunks}
    cleaned = redactor().replay({"input": TOKEN, "tool_responses": [tool]})
    [first, second, third, *rest] = cleaned["tool_responses"][0]["stream"]
    assert first == f"key {cleaned['input']}"
    assert (second, rest) == ("", ["", "", " and ok"])
    assert third.startswith(" of ")
    assert third.endswith(".example.com")
    plain = {"input": "x", "tool_responses": [{"tool": "t", "stream": ["a", {"b": 1}, ["c"]]}]}
    assert redactor().replay(plain) == plain
    assert redactor().replay(cleaned) == cleaned


def test_the_clients_of_tools() -> None:
    """A route and what it must match are redacted, the names of functions are not."""
    tools = {
        "a": f"GET https://h.example/a?token={TOKEN}",
        "b": {"route": "GET https://h.example/b", "match": {"header": {"Authorization": f"Bearer {TOKEN}"}}},
        "c": "my_app.grace:moss",
        "d": {"target": "my_app.grace:moss"},
    }
    cleaned = redactor().replay(file(tools=tools))["tools"]
    assert TOKEN not in str(cleaned)
    assert cleaned["a"] == "GET https://h.example/a?token=ghp_*"
    assert cleaned["b"]["route"] == "GET https://h.example/b"
    assert (cleaned["c"], cleaned["d"]) == (tools["c"], tools["d"])
