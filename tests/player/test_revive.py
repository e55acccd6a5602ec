"""Recorded exceptions come back as their own type, and nothing is imported or run for it."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from pytest_agent_replay.errors import RecordedToolError
from pytest_agent_replay.formats.replay import ErrorSpec, ToolResponse
from pytest_agent_replay.player.revive import exception_type, revive, tool_exception


class PaymentError(Exception):
    """An exception whose constructor must not run, and whose text needs it."""

    def __init__(self, code: int, message: str) -> None:
        raise AssertionError("the constructor ran")

    def __str__(self) -> str:
        return f"{self.code}: payment"  # type: ignore[attr-defined]


HERE = __name__


def test_types_of_loaded_modules_come_back_with_message_and_attributes() -> None:
    """Made without `__init__`; `except` clauses see the real class."""
    error = revive(ErrorSpec(type=f"{HERE}.PaymentError", message="card declined", attributes={"code": 51}))
    assert isinstance(error, PaymentError)
    assert vars(error)["code"] == 51
    assert "card declined" in str(error)


@pytest.mark.parametrize("name", ["ValueError", "builtins.ValueError", "json.decoder.JSONDecodeError", "TimeoutError"])
def test_builtin_and_library_types_are_found(name: str) -> None:
    """By bare or dotted name, also where the class has a demanding constructor."""
    error = revive(ErrorSpec(type=name, message="boom"))
    assert type(error).__name__ == name.rpartition(".")[2]
    assert "boom" in str(error)
    if "JSON" in name:
        assert isinstance(error, json.JSONDecodeError)


def test_a_module_that_is_not_loaded_is_not_imported() -> None:
    """A stand-in of that name is raised instead."""
    name = "xml.sax.saxutils.NoSuch"
    before = set(sys.modules)
    error = revive(ErrorSpec(type="turtle.TurtleGraphicsError", message="no"))
    assert "turtle" not in set(sys.modules) - before
    assert isinstance(error, RecordedToolError)
    assert type(error).__name__ == "TurtleGraphicsError"
    assert type(error).__module__ == "turtle"
    assert isinstance(revive(ErrorSpec(type=name, message="no")), RecordedToolError)


@pytest.mark.parametrize(
    "name", ["os.system", "builtins.exec", "SystemExit", "KeyboardInterrupt", "subprocess.Popen", "int"]
)
def test_what_is_no_ordinary_exception_is_never_made(name: str) -> None:
    """Functions, other classes and exceptions that end the process give a stand-in."""
    assert exception_type(name) is None
    assert isinstance(revive(ErrorSpec(type=name, message="x")), RecordedToolError)


def test_attributes_do_not_run_property_setters() -> None:
    """A recorded attribute goes into the instance, not through the class's code."""

    class Guarded(Exception):
        @property
        def status(self) -> Any:
            return None

        @status.setter
        def status(self, value: Any) -> None:
            raise AssertionError("a setter ran")

    error = revive(ErrorSpec(type="Guarded", message="m", attributes={"status": 3}), namespace={"Guarded": Guarded})
    assert isinstance(error, Guarded)


@pytest.mark.parametrize(
    ("response", "kind", "text"),
    [
        ({"tool": "t", "status": 504}, RecordedToolError, "the tool failed with status 504"),
        ({"tool": "t", "status": 404, "response": {"message": "no such order"}}, RecordedToolError, "no such order"),
        (
            {"tool": "t", "status": 0, "response": "Connection reset by peer"},
            ConnectionError,
            "Connection reset by peer",
        ),
        ({"tool": "t", "error": "broken"}, RecordedToolError, "broken"),
        ({"tool": "t", "status": 500, "error": {"type": "ValueError", "message": "v"}}, ValueError, "v"),
    ],
)
def test_failures_of_python_tools(response: dict[str, Any], kind: type[Exception], text: str) -> None:
    """A status of 4xx/5xx raises with status and body, 0 is a connection error, an error its own type."""
    error = tool_exception(ToolResponse.model_validate(response))
    assert isinstance(error, kind)
    assert text in str(error)
    if kind is RecordedToolError and "status" in response:
        assert error.status == response["status"]  # type: ignore[attr-defined]
        assert error.response == response.get("response")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "response", [{"tool": "t", "response": "x"}, {"tool": "t", "status": 204}, {"tool": "t", "failed": True}]
)
def test_successes_raise_nothing(response: dict[str, Any]) -> None:
    """Also when the text it answered with is a failure."""
    assert tool_exception(ToolResponse.model_validate(response)) is None
