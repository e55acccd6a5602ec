"""Stands in for MCP servers that a replay does not start: agents connect to them and list their tools.

A stdio server is a process, another one is somewhere in the network: a replay touches neither, as long as it is known
which tools the server has. That is, in this order:

1. `agent_config: {mcp_servers: {name: [tool, …]}}` of the file, where the name stands in the server's command line or
   URL. A tool is a name or its definition as the server gave it (`name`, `description`, `inputSchema`).
2. Otherwise the names that the file has recordings of, but for those that are known to be functions of the agent or
   requests. Of several such servers the first has them all: the file does not say which has which.

A definition is taken from there or from `agent_config: {tools: […]}` (as MCP, OpenAI or Anthropic write them), else it
is made of the recorded arguments, and the model is told of no description. The result notes which.

The real server is used where nothing is known of its tools. Unless the file defines them by 1, it is also used where a
live model has to be told of its tools as they are (`--replay-llm=live|prefix`), and where the settings allow to reach
it (`--replay-network=allow` for a process, an allowed host); if it cannot be started, it is stood in for. Whichever it
is, calls of its tools are answered from the recordings.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import ModuleType
from typing import Any, cast
from urllib.parse import urlsplit

from pytest_agent_replay.intercept.registry import Patcher
from pytest_agent_replay.player.bypass import is_outside_replay
from pytest_agent_replay.player.current import current_session
from pytest_agent_replay.player.session import Session

__all__ = ["patch_transport"]

Json = Any

_METHOD_NOT_FOUND = -32601

_first: weakref.WeakKeyDictionary[Session, str] = weakref.WeakKeyDictionary()
"""The server of each session that has the tools of which the file does not say whose they are."""


def patch_transport(module: ModuleType, patcher: Patcher, names: Sequence[str]) -> None:
    """Patches the functions of a module that connect to a server, as far as it has them.

    They are made by `asynccontextmanager`, which keeps the function itself in a cell: wherever it was imported to.
    """
    for name in names:
        function = getattr(module, name, None)
        variables = getattr(getattr(function, "__code__", None), "co_freevars", ())
        if function is not None and "func" in variables:
            cell = function.__closure__[variables.index("func")]
            patcher.set(cell, "cell_contents", _connecting(cell.cell_contents, is_http=name.startswith("streamable")))


def _connecting(original: Callable[..., Any], *, is_http: bool) -> Callable[..., Any]:
    @functools.wraps(original)
    async def connect(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        server = _server(args, kwargs)
        real = asynccontextmanager(original)
        async with AsyncExitStack() as stack:
            if server is None:
                yield await stack.enter_async_context(real(*args, **kwargs))
                return
            if server.may_be_tried:
                try:
                    streams = await stack.enter_async_context(real(*args, **kwargs))
                except OSError as error:
                    server.session.note(f"the MCP server {server.address} cannot be started: {error}")
                else:
                    yield streams
                    return
            streams = await stack.enter_async_context(server.connected())
            # version 1 adds a function that gives the id of the HTTP session
            is_old = "send_request" not in vars(sys.modules["mcp.client.session"].ClientSession)
            yield (*streams, lambda: None) if is_http and is_old else streams

    return connect


def _server(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Server | None:
    """The server that is stood in for; None when the real one is used."""
    where = args[0] if args else kwargs.get("server", kwargs.get("url"))
    is_process = hasattr(where, "command")
    address = " ".join([where.command, *where.args]) if is_process else str(where)
    session = cast("Session | None", current_session(f"the connection to the MCP server {address}"))
    if session is None or session.observes or is_outside_replay():
        return None
    server = _Server(session, address, is_process)
    return server if server.is_known else None


@dataclass(slots=True)
class _Server:
    """One server of one session."""

    session: Session
    address: str
    """The command line, or the URL."""
    is_process: bool
    is_defined: bool = False
    """The file says which tools it has."""
    is_known: bool = False
    """It can be stood in for."""
    tools: list[dict[str, Json]] = field(default_factory=list)
    described: int = 0

    def __post_init__(self) -> None:
        servers = self._config("mcp_servers", dict)
        mine = [tools for name, tools in servers.items() if name in self.address]
        self.is_defined = self.is_known = bool(mine)
        known = {d["name"]: d for d in map(_definition, self._config("tools", list)) if d is not None}
        for tool in _flat(mine) if mine else self._recorded(_flat(servers.values())):
            definition = _definition(tool) or known.get(_name(tool))
            self.described += definition is not None
            self.tools.append(definition or self._made(_name(tool)))

    def _config(self, key: str, kind: type[Any]) -> Any:
        value = (self.session.replay.agent_config or {}).get(key)
        return value if isinstance(value, kind) else kind()

    def _recorded(self, others: list[Json]) -> list[str]:
        """The recorded tools that may be of this server. The first that asks has them."""
        taken = set(map(_name, others))
        session = self.session
        names = [name for name in session.recorded_names() if name not in taken and session.may_be_remote(name)]
        self.is_known = bool(names)
        return names if names and _first.setdefault(session, self.address) == self.address else []

    def _made(self, name: str) -> dict[str, Json]:
        recorded = [r.args or {} for _, r in self.session.replay.all_recordings() if r.tool == name]
        properties: dict[str, Json] = {argument: {} for args in recorded for argument in args}
        return {"name": name, "inputSchema": {"type": "object", "properties": properties}}

    @property
    def may_be_tried(self) -> bool:
        """Whether the real server is asked first."""
        settings = self.session.settings
        if self.is_defined:
            return False
        if self.is_process:
            return settings.network == "allow" or settings.llm in ("live", "prefix")
        return any(fnmatchcase(urlsplit(self.address).hostname or "", host) for host in settings.allow_hosts)

    # -- the connection

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[Any, Any]]:
        """The streams of a connection to this server."""
        anyio = sys.modules["anyio"]
        self._say_so()
        to_client, read = anyio.create_memory_object_stream(0)
        write, from_client = anyio.create_memory_object_stream(0)
        async with to_client, read, write, from_client, anyio.create_task_group() as group:
            group.start_soon(self._serve, from_client, to_client)
            yield read, write
            group.cancel_scope.cancel()

    def _say_so(self) -> None:
        names = ", ".join(tool["name"] for tool in self.tools)
        told = "" if self.described == len(self.tools) else ", and the model is told of some without a description"
        whose = "the file defines" if self.is_defined else "are recorded"
        more = "" if self.is_defined else "; `agent_config: {mcp_servers: …}` in the file defines them"
        self.session.note(
            f"the MCP server {self.address} was not started: it has the tools that {whose} ({names}){told}{more}"
        )

    async def _serve(self, from_client: Any, to_client: Any) -> None:
        types = sys.modules["mcp.types"]
        parse = getattr(types, "jsonrpc_message_adapter", None)
        message_class = sys.modules["mcp.shared.message"].SessionMessage
        async for message in from_client:
            asked = message.message.model_dump(by_alias=True, mode="json", exclude_none=True)
            if "id" not in asked or "method" not in asked:
                continue
            reply = {"jsonrpc": "2.0", "id": asked["id"], **self._reply(asked["method"], asked.get("params") or {})}
            made = parse.validate_python(reply) if parse is not None else types.JSONRPCMessage.model_validate(reply)
            await to_client.send(message_class(made))

    def _reply(self, method: str, params: Mapping[str, Json]) -> dict[str, Json]:
        if method == "initialize":
            info = {"name": self.address, "version": "0"}
            version = params["protocolVersion"]
            return {"result": {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}}
        if method == "tools/list":
            return {"result": {"tools": self.tools}}
        if method == "ping":
            return {"result": {}}
        if method != "server/discover":  # which servers of today need not know
            self.session.fail(
                f"the agent asked the MCP server {self.address} for {method} ({params.get('name') or params}), but it "
                "was not started: a replay stands in for its tools alone. `--replay-network=allow` starts a server on "
                "this machine, `replay_allow_hosts` reaches another one"
            )
        return {"error": {"code": _METHOD_NOT_FOUND, "message": f"Method not found: {method}"}}


# -- definitions


def _flat(groups: Any) -> list[Json]:
    """The tools of `mcp_servers`: lists, or mappings with `tools` among other settings."""
    lists = [group.get("tools") if isinstance(group, Mapping) else group for group in groups]
    return [tool for tools in lists if isinstance(tools, list) for tool in tools]


def _name(tool: Json) -> str:
    definition = _definition(tool)
    return str(definition["name"] if definition is not None else tool)


def _definition(tool: Json) -> dict[str, Json] | None:
    """As MCP writes it. None for what is no definition of a function."""
    if not isinstance(tool, Mapping):
        return None
    function = tool.get("function")
    inner: Mapping[str, Json] = function if isinstance(function, Mapping) else tool
    if not isinstance(inner.get("name"), str):
        return None
    schema: Mapping[str, Json] = next(
        (inner[key] for key in ("inputSchema", "input_schema", "parameters") if inner.get(key)), {}
    )
    known = {key: inner[key] for key in ("name", "title", "description", "outputSchema", "annotations") if key in inner}
    return {**known, "inputSchema": {"type": "object", **schema}}
