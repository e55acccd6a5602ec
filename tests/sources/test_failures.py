"""Exceptions in the texts of sources, and results that say that a tool failed."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.formats.replay import ErrorSpec
from pytest_agent_replay.player.revive import revive
from pytest_agent_replay.sources.failures import error_in, read_error

DATA = Path(__file__).parents[3] / "shared" / "data"

FRAMES = """Traceback (most recent call last):
  File "/app/shop.py", line 15, in refund
    raise PaymentError("gateway timeout")
                  ^^^^^^^^^^^^^^^^^^^^^^^
"""
TASK = "\nDuring task with name 'tools' and id '54ca660e-48a8-f15a-6722-a26760df224b'"
PAYMENT = ErrorSpec(type="shop.PaymentError", message="gateway timeout")


@pytest.mark.parametrize(
    "text",
    [
        "shop.PaymentError: gateway timeout",
        f"{FRAMES}shop.PaymentError: gateway timeout\n",
        f"PaymentError('gateway timeout')\n\n{FRAMES}shop.PaymentError: gateway timeout\n",
        # as LangChain's tracer writes it: no line break before, empty lines within, LangGraph's note below
        f"PaymentError('gateway timeout'){FRAMES}shop.PaymentError: gateway timeout\n{TASK}".replace("\n", "\n\n\n"),
        f"{FRAMES}shop.PaymentError: gateway timeout{TASK}\n",
        f"shop.PaymentError: gateway timeout{TASK}",
    ],
)  # fmt: skip
def test_one_exception_is_the_same_in_every_text(text: str) -> None:
    """Type with its module, message without traceback and without what a framework adds."""
    assert read_error(text) == PAYMENT


def test_the_type_is_the_tracebacks_because_a_repr_has_no_module() -> None:
    """A traceback whose end is missing leaves the `repr`; a note below the message is not part of it."""
    assert read_error(f"PaymentError('gateway timeout')\n\n{FRAMES}  ") == PAYMENT.model_copy(
        update={"type": "PaymentError"}
    )
    assert (
        read_error(f"PaymentError('gateway timeout')\n\n{FRAMES}shop.PaymentError: gateway timeout\nseen in: x")
        == PAYMENT
    )


def test_of_chained_exceptions_it_is_the_last() -> None:
    """Whatever it came from, and with all lines of its message."""
    text = (
        f"{FRAMES}KeyError: 'a'\n\nDuring handling of the above exception, another exception occurred:\n\n"
        f"{FRAMES}ValueError\n\nThe above exception was the direct cause of the following exception:\n\n"
        f"{FRAMES}pkg.sub.Outer.Bad: one\n\ntwo: three\n"
    )
    assert read_error(text) == ErrorSpec(type="pkg.sub.Outer.Bad", message="one\n\ntwo: three")


def test_of_a_group_it_is_the_group_not_a_member() -> None:
    """With or without the exceptions before it."""
    lines = "".join(f"  | {line}\n" for line in FRAMES.splitlines()[1:])
    text = (
        f"  + Exception Group Traceback (most recent call last):\n{lines}  | ExceptionGroup: two (2 sub-exceptions)\n"
        "  +-+---------------- 1 ----------------\n    | Traceback (most recent call last):\n"
        '    |   File "x", line 1, in f\n    | ValueError: x\n    +------------------------------------\n'
    )
    group = ErrorSpec(type="ExceptionGroup", message="two (2 sub-exceptions)")
    assert read_error(text) == group
    assert read_error("ExceptionGroup('two', [ValueError('x'), KeyError('y')])") == group


def _raised(make: Callable[[], BaseException]) -> BaseException:
    try:
        raise make()
    except BaseException as error:
        return error


class PaymentError(Exception):
    """An exception of a shop."""


@pytest.mark.parametrize(
    "make",
    [
        lambda: PaymentError('it\'s "bad" \\ and\nlong'),
        lambda: PaymentError("a: b"),
        lambda: PaymentError(),
        lambda: PaymentError("a", 3),
        lambda: PaymentError(7),
        lambda: PaymentError({"code": "x"}),
        lambda: PaymentError(None),
        lambda: KeyError("order"),
        lambda: ValueError("(x)"),
        lambda: FileNotFoundError(2, "No such file"),
        lambda: RuntimeError(ValueError("inner")),
    ],
)
def test_the_message_is_what_the_exception_says(make: Callable[[], BaseException]) -> None:
    """Out of its `repr` alone, out of its traceback, and out of the line that ends one."""
    error = _raised(make)
    name = type(error).__name__
    whole = "".join(traceback.format_exception(error))
    for text in (repr(error), f"{error!r}\n\n{whole}"):
        read = read_error(text)
        assert read is not None
        assert ((read.type or "").rpartition(".")[2], read.message) == (name, str(error))
    last = read_error(whole)
    assert last is not None
    assert last.message == str(error)


def test_arguments_that_are_more_than_the_text_are_kept() -> None:
    """So that the exception that is raised again has them."""
    read = read_error("KeyError('order')")
    assert read == ErrorSpec(type="KeyError", message="'order'", attributes={"args": ["order"]})
    assert revive(read).args == ("order",)
    read = read_error("FileNotFoundError(2, 'No such file')")
    assert read is not None
    assert str(revive(read)) == "[Errno 2] No such file"


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("ToolException('no')", "ToolException", "no"),
        ("httpx.ReadTimeout: ", "httpx.ReadTimeout", ""),
        ("openai.APIConnectionError", "openai.APIConnectionError", ""),
        ("HTTPError(<Response [404]>)", "HTTPError", "<Response [404]>"),
        ("ApiError(status=404)", "ApiError", "status=404"),
        ("ConnectionError(MaxRetryError('no route'))", "ConnectionError", "no route"),
        ("ConnectionError(Pool('x'), 3)", "ConnectionError", "Pool('x'), 3"),
        ("__main__.PaymentError: no", "PaymentError", "no"),
        ("shop.f.<locals>.Bad: no", "shop.f.<locals>.Bad", "no"),
        ("TypeError: x is undefined\n    at refund (/app/a.js:1:2)\n    at async run (b.js:3:4)", "TypeError",
         "x is undefined"),
        ("Uncaught Error: no\n    at <anonymous>", "Error", "no"),
        ("payment gateway timeout", None, "payment gateway timeout"),
        ("Note: it failed", None, "Note: it failed"),
        ("Error: it failed", None, "Error: it failed"),
        ("Warning: it failed", None, "Warning: it failed"),
        ("Exception: it failed", "Exception", "it failed"),
        ("Error running tool refund: no", None, "Error running tool refund: no"),
        ("f(x) failed (twice)", None, "f(x) failed (twice)"),
        ("Connection (reset)", None, "Connection (reset)"),
        (" two  spaces ", None, " two  spaces "),
    ],
)  # fmt: skip
def test_what_names_an_exception_and_what_does_not(text: str, kind: str | None, message: str) -> None:
    """A word before a colon is a type only where it looks like one."""
    assert read_error(text) == ErrorSpec(type=kind, message=message)


def test_an_event_tells_the_parts() -> None:
    """OpenTelemetry's `exception.*`: the stack has the module, the message is exact, another word in it is no type."""
    stack = f"{FRAMES}shop.PaymentError: gateway timeout{TASK}\n"
    assert read_error(type="PaymentError", message="gateway timeout", stacktrace=stack) == PAYMENT
    assert read_error(type="shop.PaymentError", message="PaymentError: gateway timeout") == PAYMENT
    assert read_error(type="shop.PaymentError", stacktrace=stack) == PAYMENT
    assert read_error(type="shop.PaymentError", message="ValueError: x") == ErrorSpec(
        type="shop.PaymentError", message="ValueError: x"
    )
    assert read_error(type="A.B", message="m", stacktrace=stack) == ErrorSpec(type="A.B", message="m")


@pytest.mark.parametrize(
    "told",
    [
        {"type": "PaymentError", "message": "m", "traceback": [{"filename": "a.py", "line_number": 1}]},
        {"name": "PaymentError", "message": "m", "stack": "PaymentError: m\n    at f (a.js:1:1)"},
        {"class": "PaymentError", "error": "m"},
        {"exception.type": "PaymentError", "exception.message": "m", "exception.escaped": "False"},
        {"message": "it failed", "error": {"type": "PaymentError", "msg": "m"}},
        {"error": "PaymentError: m"},
        {"stacktrace": ["Traceback (most recent call last):", '  File "a", line 1, in f', "PaymentError: m"]},
        json.dumps({"type": "PaymentError", "message": "m"}),
    ],
)
def test_one_exception_is_the_same_in_every_mapping(told: Any) -> None:
    """Under the names that sources have for type, message and stack; as JSON text too."""
    read = read_error(told)
    assert read is not None
    assert (read.type, read.message) == ("PaymentError", "m")


def test_a_word_that_is_no_class_is_no_type() -> None:
    """A provider's word for an error, a tool's name."""
    assert read_error({"error": {"type": "invalid_request_error", "message": "m"}}) == ErrorSpec(message="m")
    told = {"message": "Error running tool", "data": {"tool_name": "refund", "error": "m"}}
    assert read_error(told) == ErrorSpec(message="m")
    assert read_error({"name": "refund", "message": "m"}) == ErrorSpec(message="m")


@pytest.mark.parametrize(
    "text",
    ["", "__REDACTED__", "[Scrubbed due to 'auth']", "Tool execution failed. Error details are redacted."],
)
def test_a_redacted_message_is_none(text: str) -> None:
    """That there was an error is known, what it said is not."""
    assert read_error(text) == ErrorSpec()
    assert read_error({"message": "Error running tool", "data": {"error": text}} if text else "") == ErrorSpec()
    assert read_error(type="shop.PaymentError", message=text) == ErrorSpec(type="shop.PaymentError")


def test_nothing_told_is_no_error() -> None:
    """Neither text nor a mapping with one."""
    assert [read_error(value) for value in (None, 5, ["a"], {"a": 1})] == [None] * 4
    assert read_error() is None


def test_a_status_in_the_message_is_an_attribute() -> None:
    """OpenAI's and Anthropic's SDKs have status and body as attributes, and an agent reads them."""
    body = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
    message = f"Error code: 429 - {body}"
    read = read_error(f"openai.RateLimitError: {message}")
    attributes = {"status_code": 429, "body": body["error"]}
    assert read == ErrorSpec(type="openai.RateLimitError", message=message, attributes=attributes)
    read = read_error(type="anthropic.APIStatusError", message=f"Error code: 529 - {json.dumps(body)}")
    assert read is not None
    assert read.attributes == {"status_code": 529, "body": body}
    read = read_error("openai.InternalServerError: Error code: 500")
    assert read is not None
    assert read.attributes == {"status_code": 500}
    read = read_error("Error [ERR_NO]: no\n    at f (a.js:1:1)")
    assert read is not None
    assert read.attributes == {"code": "ERR_NO"}


@pytest.mark.parametrize("size", [1, 1000])
def test_odd_texts_are_messages(size: int) -> None:
    """Whatever looks like a repr, a traceback or JSON and is none."""
    for text in ("ValueError(" * size, "Traceback (most recent call last):\n" * size, "{" * size, "A.B(" + ")" * size):
        read = read_error(text)
        assert read is not None


# -- results


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("Error: no", "begins like an error"),
        ("ValueError: no", "begins like an error"),
        (FRAMES, "begins like an error"),
        ({"success": False}, "says `success: false`"),
        ({"success": False, "error": None, "data": None}, "says `success: false`"),
        ({"ok": False, "rows": []}, "says `ok: false`"),
        ({"isError": True, "content": []}, "says `isError: true`"),
        ({"error": "no"}, "has `error`"),
        ({"error": {"code": 7}}, "has `error`"),
        ({"Error": "no"}, "has `Error`"),
        ({"data": None, "error": "no", "code": 7}, "has `error`"),
        ({"jsonrpc": "2.0", "id": 1, "error": {"code": -32000}}, "has `error`"),
        ({"status": "error", "message": "no"}, "says `status: error`"),
        ({"status": "FAILED"}, "says `status: FAILED`"),
        ({"statusCode": 404, "body": "x"}, "says `statusCode: 404`"),
        ({"status": 503, "message": "no"}, "says `status: 503`"),
        ({"data": None, "errors": [{"message": "no"}]}, "has `errors` and no data"),
        ({"success": True, "data": {"success": False, "error": "Call not found"}}, "`data` says `success: false`"),
        ({"status": 200, "body": {"error": "no"}}, "`body` has `error`"),
        ('{"success": false}', "says `success: false`"),
        ("{'success': False, 'why': None}", "says `success: false`"),
        ('{"error": "a text that was cut o', "has `error`"),
    ],
)  # fmt: skip
def test_a_failure_in_a_result_is_seen_with_its_reason(value: Any, reason: str) -> None:
    """In a text, a mapping, JSON text or what Python prints; once below `data` and the like."""
    assert reason in (error_in(value) or "")


@pytest.mark.parametrize(
    "value",
    [
        None, 0, False, "", "ok", [], {}, "No errors: all good", "errors are rare", "Failed flights", ["Error: x"],
        {"errors": []}, {"error": None}, {"error": ""}, {"error": False}, {"error": {}}, {"error": 0.05, "value": 3},
        {"error": "none"}, {"success": True}, {"ok": True}, {"isError": False}, {"success": "false"},
        {"status": "failed_payment_retry_scheduled"}, {"status": "cancelled"}, {"status": "delivered"},
        {"status": 404}, {"status": 200, "message": "ok"}, {"code": 500}, {"code": 404, "name": "Widget"},
        {"data": {"status": "failed", "id": "pay_1"}}, {"id": "job-1", "error": "out of memory", "attempts": 3},
        {"items": [{"success": False}]}, {"a": {"b": {"success": False}}}, {"data": {"data": {"success": False}}},
        {"errors": [{"message": "x"}], "data": {"a": 1}}, {"errors": ["x"]}, '{"id": 1, "error": "x"}',
        '{"errors": []}', "[1, 2]", {"error_rate": 0.2}, {"message": "an error occurred elsewhere"},
    ],
)  # fmt: skip
def test_what_only_speaks_of_errors_is_no_failure(value: Any) -> None:
    """Empty errors, statuses of the domain, a thing's own field, items of a list."""
    assert error_in(value) is None


@pytest.mark.skipif(not DATA.is_dir(), reason="the real sessions (../shared/data) are not here")
def test_real_results_are_judged_right() -> None:
    """Of the results of 100 real sessions those that begin with "Error:" are failures, and nothing else is."""
    sessions = json.loads((DATA / "tau-bench/airline-even-tasks.json").read_text("utf-8"))
    results = [m["content"] for s in sessions for m in s["traj"] if m["role"] == "tool"]
    assert len(results) == 577
    assert [text for text in results if (error_in(text) is not None) != text.startswith("Error:")] == []


@pytest.mark.skipif(not DATA.is_dir(), reason="the real traces (../shared/data) are not here")
def test_real_exceptions_are_read() -> None:
    """Every error and stack of LangSmith's runs and of Phoenix' and MLflow's events, with the module of its type."""
    found = set()
    for name in ("langsmith/run_trees_by_thread.json", "phoenix/spans_v1.json", "mlflow/traces.json"):
        for text in _texts(json.loads((DATA / "traces" / name).read_text("utf-8"))):
            if "Traceback (most" in text and not text.startswith(("{", "[")):
                read = read_error(text)
                assert read is not None
                found.add((read.type, read.message))
    said = "payment gateway timeout after 2000ms for card ending 4242"
    assert found == {("shop.PaymentError", said), ("pydantic_ai.exceptions.ToolRetryError", said)}


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in items for text in _texts(item)]
