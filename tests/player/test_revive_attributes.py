"""A revived exception shows what the real one shows: text, `args`, attributes, also after pickling."""

from __future__ import annotations

import copy
import http.client
import json
import pickle
import subprocess
import traceback
import urllib.error
from collections.abc import Callable
from typing import Any

import botocore.exceptions  # type: ignore[import-untyped]
import httpx
import openai
import pydantic
import pytest
import requests

from pytest_agent_replay.errors import RecordedToolError
from pytest_agent_replay.formats.replay import ErrorSpec, ReplayFile
from pytest_agent_replay.player.revive import exception_type, revive
from pytest_agent_replay.player.session import Session
from pytest_agent_replay.settings import Settings


class Slotted(Exception):
    """Keeps its fields in slots."""

    __slots__ = ("code", "why")

    def __init__(self, code: int, why: str) -> None:
        super().__init__(code, why)
        self.code, self.why = code, why


class Behind(Exception):
    """A property without a setter over a private attribute."""

    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}")
        self._code = code

    @property
    def code(self) -> int:
        return self._code


class Computed(Exception):
    """A property that no stored value gives."""

    @property
    def code(self) -> int:
        raise RuntimeError("not set up")


class Retry(Exception):
    """Sets more than is usually recorded."""

    def __init__(self, message: str, after: float = 1.5, request: Any = None) -> None:
        super().__init__(message)
        self.after = after
        self.request = request
        self.tried = len(message)
        self._seen = False


class Frozen(Exception):
    """Refuses to be changed."""

    def __init__(self, code: int) -> None:
        raise AssertionError("the constructor ran")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AssertionError("an assignment ran code of the class")


class NeedsNew(Exception):
    """Cannot be made without arguments."""

    def __new__(cls, code: int) -> NeedsNew:
        return super().__new__(cls, code)


def _raised(call: Callable[[], Any]) -> Exception:
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def _kind(error: Any) -> Any:
    return type(error)


class Model(pydantic.BaseModel):
    count: int
    names: list[str] = []


def _recorded(real: Exception, names: list[str]) -> ErrorSpec:
    kind = type(real)
    attributes = {name: getattr(real, name) for name in names}
    attributes = {
        name: value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
        for name, value in attributes.items()
    }
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return ErrorSpec(type=name, message=str(real), attributes=json.loads(json.dumps(attributes)))


OS_FIELDS = ["errno", "strerror", "filename", "filename2"]
UNICODE_FIELDS = ["encoding", "object", "start", "end", "reason"]
REAL: list[tuple[Exception, list[str]]] = [
    (OSError(2, "No such file"), OS_FIELDS),
    (OSError(5, "Broken"), ["errno", "strerror"]),
    (FileNotFoundError(2, "No such file or directory", "/x"), OS_FIELDS),
    (FileExistsError(17, "File exists", "/x", None, "/y"), OS_FIELDS),
    (BlockingIOError(11, "busy", 3), ["errno", "strerror", "characters_written"]),
    (PermissionError("no errno"), OS_FIELDS),
    (KeyError("name"), []),
    (KeyError("it's"), []),
    (KeyError(3), []),
    (KeyError(), []),
    (IndexError("out of range"), []),
    (ValueError("a", "b"), ["args"]),
    (ValueError(), []),
    (_raised(lambda: b"a\xff".decode()), UNICODE_FIELDS),
    (UnicodeEncodeError("ascii", "aé", 1, 2, "ordinal"), UNICODE_FIELDS),
    (UnicodeTranslateError("aé", 1, 2, "ordinal"), UNICODE_FIELDS[1:]),
    (StopIteration(5), ["value"]),
    (ImportError("no x", name="x", path="/p"), ["name", "path", "msg"]),
    (SyntaxError("bad", ("f.py", 3, 4, "x=")), ["msg", "filename", "lineno", "offset", "text"]),
    (NameError("no a", name="a"), ["name"]),
    (_raised(lambda: json.loads("{a")), ["msg", "doc", "pos", "lineno", "colno"]),
    (subprocess.CalledProcessError(2, ["ls"], stderr="err"), ["returncode", "cmd", "output", "stderr"]),
    (requests.HTTPError("404 Client Error"), []),
    (requests.ReadTimeout("read timed out"), [*OS_FIELDS, "response", "request"]),
    (httpx.ReadTimeout("read timed out"), []),
    (
        botocore.exceptions.ClientError({"Error": {"Code": "NoSuchKey", "Message": "gone"}}, "GetObject"),
        ["response", "operation_name"],
    ),
    (botocore.exceptions.EndpointConnectionError(endpoint_url="http://a"), ["kwargs"]),
    (Slotted(3, "why"), ["code", "why"]),
    (Behind(4), ["code"]),
]


@pytest.mark.parametrize(("real", "names"), REAL, ids=[f"{type(r).__name__}-{i}" for i, (r, _) in enumerate(REAL)])
def test_a_revived_exception_is_as_the_real_one(real: Exception, names: list[str]) -> None:
    """Type, text, repr, `args`, the recorded and the constructor's attributes, and a pickled copy."""
    revived = revive(_recorded(real, names))
    assert type(revived) is type(real)
    assert (str(revived), repr(revived), revived.args) == (str(real), repr(real), real.args)
    for name in [*names, *vars(real)]:
        assert getattr(revived, name) == getattr(real, name), name
    try:
        pickled = pickle.loads(pickle.dumps(real))
    except Exception:
        return
    again = pickle.loads(pickle.dumps(revived))
    assert (type(again), str(again), again.args) == (type(pickled), str(pickled), pickled.args)


def test_a_key_as_written_by_hand_is_quoted_by_python() -> None:
    """`message: name` is the key; Python's own text of it has quotes."""
    error = revive(ErrorSpec(type="KeyError", message="name"))
    assert error.args == ("name",)
    assert str(error) == "'name'"


def test_an_attribute_that_cannot_be_set_is_shown_all_the_same() -> None:
    """By a subclass of the same name; it is caught, pickled and copied as the recorded type."""
    error: Any = revive(ErrorSpec(type=f"{__name__}.Computed", message="m", attributes={"code": 7}))
    assert isinstance(error, Computed)
    assert (type(error).__name__, type(error).__module__) == ("Computed", __name__)
    for each in (error, pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (each.code, str(each)) == (7, "m")
        assert isinstance(each, Computed)


def test_a_stand_in_can_be_pickled() -> None:
    """Also a class that no module has."""
    error: Any = revive(ErrorSpec(type="nowhere.Gone", message="m", attributes={"code": 7}))
    again = pickle.loads(pickle.dumps(error))
    assert issubclass(type(again), RecordedToolError)
    assert (type(again).__name__, str(again), again.code) == ("Gone", "m", 7)


def test_no_code_of_the_class_runs_to_set_attributes() -> None:
    """Neither the constructor nor `__setattr__`."""
    error: Any = revive(ErrorSpec(type=f"{__name__}.Frozen", message="m", attributes={"code": 7, "args": ["m", 7]}))
    assert _kind(error) is Frozen
    assert (error.code, error.args) == (7, ("m", 7))


def test_a_new_of_its_own_is_passed_by() -> None:
    """A class whose `__new__` wants arguments is made by the class in C below it."""
    error: Any = revive(ErrorSpec(type=f"{__name__}.NeedsNew", message="m", attributes={"code": 7}))
    assert _kind(error) is NeedsNew
    assert (str(error), error.code) == ("m", 7)


class Said(Exception):
    """Keeps its text."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


def test_a_message_that_is_all_a_constructor_needs_is_the_text() -> None:
    """Nothing is assumed: what else could it have been made with."""
    session = Session(ReplayFile(input=None), Settings(), label="incident")
    with session:
        error = revive(ErrorSpec(type=f"{__name__}.Said", message="no such order"))
    assert vars(error)["message"] == "no such order"
    assert str(error) == "no such order"
    assert session.findings.notes == []


def test_what_the_constructor_would_have_set_is_assumed_and_noted() -> None:
    """The parameter's default, or None; neither recorded nor private attributes are mentioned."""
    session = Session(ReplayFile.model_validate({"input": "x"}), Settings(), label="test")
    with session:
        error: Any = revive(ErrorSpec(type=f"{__name__}.Retry", message="m", attributes={"request": "r"}))
    assert vars(error) == {"after": 1.5, "request": "r", "tried": None, "_seen": None}
    assert session.findings.notes == [
        f"the recorded {__name__}.Retry has not all `attributes` that its constructor sets, so for the agent "
        "`after` is 1.5, `tried` is None"
    ]


def test_a_recorded_mapping_reads_as_an_object_too() -> None:
    """`error.response` of HTTP clients is an object, that of botocore a mapping."""
    response = {"status_code": 404, "headers": {"x": "1"}, "errors": [{"code": "gone"}]}
    spec = ErrorSpec(type="httpx.HTTPStatusError", message="Client error '404'", attributes={"response": response})
    error: Any = revive(spec)
    assert _kind(error) is httpx.HTTPStatusError
    assert error.response.status_code == 404
    assert error.response["headers"].get("x") == "1"
    assert error.response.errors[0].code == "gone"
    assert not hasattr(error.response, "text")
    assert copy.deepcopy(error.response) == response == json.loads(json.dumps(error.response))
    with pytest.raises(AttributeError, match="no `text`, only status_code, headers, errors"):
        _ = error.response.text
    with pytest.raises(RuntimeError, match="request property has not been set"):
        _ = error.request


def test_properties_over_private_attributes_of_clients() -> None:
    """httpx keeps `request` behind a property with a setter, which does not run."""
    spec = ErrorSpec(type="httpx.ReadTimeout", message="slow", attributes={"request": {"url": "http://a"}})
    error: Any = revive(spec)
    assert _kind(error) is httpx.ReadTimeout
    assert error.request.url == "http://a"


def test_status_errors_of_the_openai_sdk() -> None:
    """`status_code`, `code` and `body` as recorded, or as the class has them; never an AttributeError."""
    spec = ErrorSpec(
        type="openai.RateLimitError", message="Error code: 429", attributes={"code": "quota", "body": {"type": "q"}}
    )
    error: Any = revive(spec)
    assert _kind(error) is openai.RateLimitError
    assert (error.status_code, error.code, error.body["type"], error.response) == (429, "quota", "q", None)


def test_classes_that_are_made_at_run_time_are_found() -> None:
    """As botocore makes them for each client; two of one name are none, for it cannot be known which is meant."""
    made = type(
        "NoSuchThing", (botocore.exceptions.ClientError,), {"__module__": "botocore.errorfactory", "__slots__": ()}
    )
    name = "botocore.errorfactory.NoSuchThing"
    error: Any = revive(ErrorSpec(type=name, message="m", attributes={"response": {"Error": {"Code": "x"}}}))
    assert _kind(error) is made
    assert error.response["Error"]["Code"] == "x"
    assert type(revive(ErrorSpec(type=name, message="m", attributes={"args": []}))).__base__ is made
    assert exception_type(name) is made
    twin = type("NoSuchThing", (Exception,), {"__module__": "botocore.errorfactory"})
    assert exception_type(name) is None
    del twin


def test_validation_errors_have_the_errors_of_their_text() -> None:
    """pydantic's text has all that is needed: place, kind, message and input."""
    with pytest.raises(pydantic.ValidationError) as caught:
        Model.model_validate({"count": "x", "names": ["a", 2]})
    revived: Any = revive(_recorded(caught.value, []))
    assert type(revived) is pydantic.ValidationError
    assert (str(revived), repr(revived), revived.args) == (str(caught.value), repr(caught.value), ())
    assert revived.errors() == caught.value.errors()


def test_the_name_under_which_pydantic_exports_its_error_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package itself looks the class up only when it is first asked for."""
    error_class = pydantic.ValidationError
    monkeypatch.delitem(vars(pydantic), "ValidationError", raising=False)
    assert exception_type("pydantic.ValidationError") is error_class


def test_validation_errors_have_their_errors() -> None:
    """pydantic's, from `errors` as its `.errors()` gives them, also of kinds that pydantic does not know."""
    errors: list[dict[str, Any]] = [
        {"type": "missing", "loc": ["items", 0, "id"], "msg": "Field required", "input": {}},
        {"type": "value_error", "loc": ["sum"], "msg": "Value error, too {much}", "input": 3, "ctx": {"error": {}}},
        {"type": "greater_than", "loc": [], "msg": "Input should be greater than 3", "input": 1, "ctx": {"gt": 3}},
    ]
    error: Any = revive(ErrorSpec(type="pydantic.ValidationError", attributes={"title": "Order", "errors": errors}))
    assert isinstance(error, pydantic.ValidationError)
    assert error.title == "Order"
    assert [(e["type"], e["loc"], e["msg"], e["input"]) for e in error.errors()] == [
        (e["type"], tuple(e["loc"]), e["msg"], e["input"]) for e in errors
    ]


@pytest.mark.parametrize("message", ["not a validation error's text", "1 validation error for X\na\n  b [type=c]", ""])
def test_any_text_of_a_validation_error_gives_one(message: str) -> None:
    """An `except ValidationError` of the agent catches it."""
    error: Any = revive(ErrorSpec(type="pydantic_core.ValidationError", message=message))
    assert isinstance(error, pydantic.ValidationError)
    assert error.error_count() == 1


def test_a_repr_that_needs_what_is_not_recorded_is_pythons_own() -> None:
    """An agent that logs the exception does not stumble over it."""
    error: Any = revive(ErrorSpec(type="http.client.IncompleteRead", message="cut"))
    assert isinstance(error, http.client.IncompleteRead)
    assert (str(error), repr(error)) == ("cut", "IncompleteRead('cut')")


def test_a_getattr_that_needs_the_constructor_is_passed_by() -> None:
    """`urllib.error.HTTPError` hands unknown attributes on to its file."""
    error: Any = revive(ErrorSpec(type="urllib.error.HTTPError", message="gone", attributes={"code": 404}))
    assert isinstance(error, urllib.error.HTTPError)
    assert (error.code, "gone" in str(error), getattr(error, "nothing", "absent")) == (404, True, "absent")
    assert "gone" in "".join(traceback.format_exception_only(type(error), error))


def test_lone_surrogates_do_not_reach_pydantic() -> None:
    """Its core would panic when the error is shown."""
    attributes = {"title": "\ud800", "errors": [{"type": "\ud800", "loc": ["\ud800"], "msg": "\ud800"}]}
    error: Any = revive(ErrorSpec(type="pydantic.ValidationError", attributes=attributes))
    assert "1 validation error for ?" in str(error)
    assert error.errors()[0]["msg"] == "?"


@pytest.mark.parametrize("args", [5, "x", {"a": 1}, None, ["m", 1]])
def test_a_stand_in_takes_args_that_are_a_list(args: Any) -> None:
    """Anything else under that name is left out."""
    error = revive(ErrorSpec(type="nowhere.Gone", message="m", attributes={"args": args}))
    assert error.args == (("m", 1) if isinstance(args, list) else ("m",))


@pytest.mark.parametrize(
    "attributes",
    [
        {"object": "é", "start": -(10**12), "end": -(10**12) + 1, "encoding": "x", "reason": "y"},
        {"object": 5, "start": 0, "end": 1, "encoding": 5, "reason": []},
        {"object": "a", "start": 10**30, "end": "x", "encoding": None, "reason": None},
        {
            "errno": {},
            "strerror": [],
            "characters_written": "x",
            "value": {},
            "args": 5,
            "with spaces": 1,
            "__dict__": 2,
        },
        {"__class__": "x", "__traceback__": 5, "__notes__": 3, "__init__": 4},
    ],
)
@pytest.mark.parametrize(
    "name",
    ["UnicodeDecodeError", "UnicodeEncodeError", "UnicodeTranslateError", "OSError", "StopIteration", "KeyError"],
)
def test_attributes_of_wrong_types_break_nothing(name: str, attributes: dict[str, Any]) -> None:
    """The fields in C are never given what they compute with unchecked; the text stays readable."""
    error = revive(ErrorSpec(type=name, message="broken", attributes=attributes))
    assert "broken" in str(error)
    assert type(error).__name__ == name
    for attribute, value in attributes.items():
        if attribute.isidentifier() and not attribute.startswith("__") and attribute != "args":
            assert getattr(error, attribute) == value


def test_a_stand_in_is_not_taken_for_the_class_later() -> None:
    """What was made for one recording is nothing that the agent has."""
    kept = [revive(ErrorSpec(type="json.NoSuchError", message="m")) for _ in range(2)]
    assert exception_type("json.NoSuchError") is None
    assert all(isinstance(error, RecordedToolError) for error in kept)
