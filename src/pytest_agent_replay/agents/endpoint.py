"""An agent behind HTTP: a server elsewhere, or an ASGI app that runs in this process.

```yaml
endpoint: http://localhost:8000/chat     # or my_app.api:app, with `path`
path: /chat                              # of an app
method: POST
headers: {Authorization: "Bearer ${STAGING_KEY}"}
request_template: {message: "{prompt}", session: "{session_id}"}     # default: {input: "{input}"}
response_path: $.data.text               # default: `output` where the answer has it, else the whole answer
query_params: {version: v1}
timeout: 30000                           # milliseconds, as in flakestorm (1000 and up), or "30s", "500ms"
```
`GET`, `HEAD` and `DELETE` send the rendered template as query parameters. HTTP errors, time-outs and answers that
cannot be read are `EndpointError`s: results of the agent, as when a function raises. A body of server-sent events or
lines of JSON is one answer in pieces (`agents.pieces`); with a response path, what the events have there, joined.
Redirects are not followed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlencode, urlsplit

from pytest_agent_replay.agents.model import Agent, Conversation, TurnInput
from pytest_agent_replay.agents.template import ResponsePath, Template, as_text
from pytest_agent_replay.errors import AgentError, ReplayError
from pytest_agent_replay.player.bypass import outside_replay

__all__ = ["Endpoint", "EndpointError", "HttpResult", "make_endpoint_agent", "outside_replay"]

_KEYS = (
    "endpoint",
    "path",
    "method",
    "headers",
    "request_template",
    "response_path",
    "query_params",
    "timeout",
    "type",
)
_IN_QUERY = frozenset({"GET", "HEAD", "DELETE"})
_METHODS = ("POST", "GET", "PUT", "PATCH", "DELETE", "HEAD")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s)")
_MAX_SHOWN = 500


class EndpointError(ReplayError):
    """The endpoint did not answer, answered with an error, or with something that cannot be read.

    `status` None: no response came.
    """

    def __init__(self, message: str, *, status: int | None = None, body: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = body


@dataclass(slots=True)
class HttpRequestParts:
    """One request, ready to be sent."""

    method: str
    target: str
    """Path and query for an app, the whole URL otherwise."""
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class HttpResult:
    """What came back."""

    status: int
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes


@dataclass(slots=True)
class Endpoint:
    """How an endpoint is asked and read; everything but who delivers the request."""

    title: str
    target: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    template: Template | None = None
    response_path: ResponsePath | None = None
    timeout_s: float = 30.0

    def request(self, turn: TurnInput) -> HttpRequestParts:
        """The request of one turn. Raises `AgentError` for an environment variable that is not set."""
        headers = {name: self._expanded(value) for name, value in self.headers.items()}
        query = {name: self._expanded(as_text(value)) for name, value in self.query.items()}
        content: Any = {"input": turn.input} if self.template is None else self.template.render(turn)
        target = self._expanded(self.target)
        if self.method in _IN_QUERY:
            return HttpRequestParts(self.method, _with_query(target, query, content, self.title), headers, b"")
        is_json = self.template is None or self.template.is_json
        is_form = self.template is not None and self.template.is_form
        kind = "application/json" if is_json else "application/x-www-form-urlencoded" if is_form else "text/plain"
        if not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = kind
        body = json.dumps(content, ensure_ascii=False) if is_json else content
        return HttpRequestParts(self.method, _with_query(target, query, "", self.title), headers, body.encode())

    def read(self, result: HttpResult) -> Any:
        """The agent's answer. Raises `EndpointError`."""
        text = result.body.decode("utf-8", errors="replace")
        if not 200 <= result.status < 300:
            where = result.headers.get("location")
            moved = f" (it points to {where}: name that one)" if where and result.status < 400 else ""
            raise self._error(f"answered HTTP {result.status}{moved}", result, text)
        kind = result.headers.get("content-type", "").partition(";")[0].strip().lower()
        frames = _frames(kind, text)
        if frames is not None:
            return self._read_frames(frames, result, text)
        if kind.endswith(("/json", "+json")) or self.response_path is not None:
            return self._pick(self._json(text, result), result, text)
        return text

    def _read_frames(self, frames: list[Any], result: HttpResult, text: str) -> Any:
        from pytest_agent_replay.agents.pieces import answer_of, joined_at

        path = self.response_path
        if path is None:
            answer = answer_of(frames)
            return answer["output"] if isinstance(answer, dict) and "output" in answer else answer
        try:
            return joined_at(frames, lambda frame: as_text(path.find(frame)))
        except LookupError as error:
            raise self._error(
                f"answered HTTP {result.status}, but {error.args[0]} (and in none of its {len(frames)} events)",
                result,
                text,
            ) from None

    def _json(self, text: str, result: HttpResult) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            raise self._error(
                f"answered HTTP {result.status} with a body that is not JSON ({error})", result, text
            ) from None

    def _pick(self, data: Any, result: HttpResult, text: str) -> Any:
        if self.response_path is None:
            return data["output"] if isinstance(data, dict) and "output" in data else data
        try:
            return self.response_path.find(data)
        except LookupError as error:
            raise self._error(f"answered HTTP {result.status}, but {error.args[0]}", result, text) from None

    def _error(self, what: str, result: HttpResult, text: str) -> EndpointError:
        shown = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}… ({len(text)} characters)"
        return EndpointError(f"{self.method} {self.target} {what}: {shown}", status=result.status, body=text)

    def _expanded(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            if match[1] not in os.environ:
                raise AgentError(f"{self.title}: the environment variable {match[1]} is not set")
            return os.environ[match[1]]

        return _VARIABLE.sub(value, text)


def _frames(kind: str, text: str) -> list[Any] | None:
    """The events of a body that is many; None when it is one answer."""
    from pytest_agent_replay.agents.frames import events_of, frames_in, objects_of

    if kind == "text/event-stream":
        return events_of(text)
    if kind.endswith(("json", "jsonl", "json-lines", "json-seq")):
        return objects_of(text)
    return frames_in(text) if kind in ("", "text/plain") else None


def _with_query(target: str, query: Mapping[str, Any], content: Any, title: str) -> str:
    if isinstance(content, Mapping):
        query, content = {**query, **{name: as_text(value) for name, value in content.items()}}, ""
    if not isinstance(content, str):
        raise AgentError(f"{title}: query parameters are names and values, but request_template is a list")
    parts = [part for part in (urlencode(query), content) if part]
    return f"{target}{'&' if '?' in target else '?'}{'&'.join(parts)}" if parts else target


# -- from a mapping


def make_endpoint_agent(mapping: Mapping[str, Any], *, name: str, module_names: tuple[str, ...] = ()) -> Agent:
    """The agent that a mapping describes. `endpoint` is a URL, or the ASGI app itself. Raises `AgentError`."""
    title = f"agent {name!r}"
    for key in mapping:
        if key not in _KEYS:
            near = get_close_matches(str(key), _KEYS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_KEYS)}"
            raise AgentError(f"{title}: unknown key {key!r} of an endpoint; {hint}")
    endpoint = mapping.get("endpoint")
    if isinstance(endpoint, str):
        url = urlsplit(endpoint)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise AgentError(f"{title}: endpoint {endpoint!r} is neither an http(s) URL nor `package.module:app`")
        if "path" in mapping:
            raise AgentError(f"{title}: `path` is for an app in this process; write it into the URL {endpoint!r}")
        return _RemoteAgent(name, _endpoint(mapping, endpoint, title))
    if not callable(endpoint):
        raise AgentError(f"{title}: `endpoint` must be a URL or `package.module:app`, not {type(endpoint).__name__}")
    path = mapping.get("path")
    if not isinstance(path, str) or not path.startswith("/"):
        raise AgentError(f"{title}: an app needs the `path` of its agent, such as /chat")
    from pytest_agent_replay.agents.asgi import AsgiAgent

    return AsgiAgent(endpoint, name, _endpoint(mapping, path, title), module_names)


def _endpoint(mapping: Mapping[str, Any], target: str, title: str) -> Endpoint:
    method = _typed(mapping, "method", str, "POST", title).upper()
    if method not in _METHODS:
        raise AgentError(f"{title}: unknown method {method!r}; known are {', '.join(_METHODS)}")
    template, path = mapping.get("request_template"), mapping.get("response_path")
    if template is not None and not isinstance(template, (str, dict, list)):
        raise AgentError(f"{title}: request_template must be a mapping, a list or text")
    if path is not None and not isinstance(path, str):
        raise AgentError(f"{title}: response_path must be text such as `$.data.text`")
    headers = _typed(mapping, "headers", Mapping, {}, title)
    return Endpoint(
        title=title,
        target=target,
        method=method,
        headers={str(key): as_text(value) for key, value in headers.items()},
        query=_typed(mapping, "query_params", Mapping, {}, title),
        template=None if template is None else Template(template, title),
        response_path=None if path is None else ResponsePath(path, title),
        timeout_s=_seconds(mapping.get("timeout", 30000), title),
    )


def _typed(mapping: Mapping[str, Any], key: str, kind: Any, default: Any, title: str) -> Any:
    value = mapping.get(key, default)
    if not isinstance(value, kind):
        raise AgentError(f"{title}: `{key}` must be a {kind.__name__.lower()}, not {type(value).__name__}")
    return value


def _seconds(value: Any, title: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 1000:
        return value / 1000
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or not float(match[1]):
        raise AgentError(f"{title}: timeout is {value!r}; write milliseconds (30000), or give the unit: '30s', '500ms'")
    return float(match[1]) / (1000 if match[2] == "ms" else 1)


# -- elsewhere


class _RemoteAgent:
    """A server in another process."""

    kind = "HTTP endpoint"
    is_async = False
    is_remote = True
    module_names: tuple[str, ...] = ()

    def __init__(self, name: str, endpoint: Endpoint) -> None:
        self.name = name
        self._endpoint = endpoint

    def start(self, first: TurnInput) -> Conversation:
        refuse_overrides(first, self._endpoint.title)
        return _RemoteConversation(self._endpoint)


class _RemoteConversation:
    is_async = False

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def ask(self, turn: TurnInput) -> Any:
        request = self._endpoint.request(turn)
        with outside_replay():
            result = _send(request, self._endpoint.timeout_s)
        return self._endpoint.read(result)

    async def ask_async(self, turn: TurnInput) -> Any:
        import asyncio

        return await asyncio.to_thread(self.ask, turn)

    def close(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


def refuse_overrides(first: TurnInput, title: str) -> None:
    """Raises `AgentError` when there are overrides: an endpoint cannot be given any."""
    if first.overrides:
        raise AgentError(
            f"{title}: overrides ({', '.join(first.overrides)}) cannot be handed to an endpoint; name a factory instead"
        )


def _send(request: HttpRequestParts, timeout_s: float) -> HttpResult:
    """The one place where a request of ours goes on the wire."""
    import http.client
    import urllib.error
    import urllib.request

    class NoRedirects(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args: Any) -> None:
            return None

    where = f"{request.method} {request.target}"
    wire = urllib.request.Request(
        request.target, data=request.body or None, headers=request.headers, method=request.method
    )
    try:
        with urllib.request.build_opener(NoRedirects).open(wire, timeout=timeout_s) as response:
            return _result(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return _result(error.code, error.headers, error.read())
    except TimeoutError as error:
        raise EndpointError(f"{where}: no answer within {timeout_s:g} s") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise EndpointError(f"{where}: no answer within {timeout_s:g} s") from error
        raise EndpointError(f"{where}: cannot be reached ({error.reason}); is the agent's server running?") from error
    except (http.client.HTTPException, OSError) as error:
        raise EndpointError(f"{where}: the connection broke ({type(error).__name__}: {error})") from error


def _result(status: int, headers: Any, body: bytes) -> HttpResult:
    return HttpResult(status, {name.lower(): value for name, value in headers.items()}, body)
