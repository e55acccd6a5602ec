"""Everything that may name an agent → the `Agent`: a reference, a URL, a mapping, or an object.

An endpoint that a *file* names is only asked on this machine or on hosts that the user allowed, and only on
this machine with environment variables: a downloaded replay must not carry secrets away or reach into a
network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any
from urllib.parse import urlsplit

from pytest_agent_replay.agents.adapters import AgentAdapter
from pytest_agent_replay.agents.call import is_marked, make_agent
from pytest_agent_replay.agents.model import Agent
from pytest_agent_replay.agents.resolve import find_reference
from pytest_agent_replay.errors import AgentError

__all__ = ["load_agent"]


def load_agent(
    spec: Any,
    *,
    root: Path,
    trusted: bool,
    where: str,
    allow_modules: Sequence[str] = (),
    allow_hosts: Sequence[str] = (),
    adapters: Sequence[AgentAdapter] = (),
) -> Agent:
    """The agent that `spec` names: `pkg.mod:name`, `path/file.py:name`, a URL, a mapping with `endpoint`, or an object.

    Text that begins with `{` is such a mapping, as JSON. `where` and `trusted` as in `resolve.import_reference`. Raises
    `AgentError`.
    """
    if isinstance(spec, str) and spec.lstrip().startswith("{"):
        spec = _parsed(spec, where)
    if isinstance(spec, str) and _is_url(spec):
        spec = {"endpoint": spec}
    if isinstance(spec, Mapping):
        return _load_endpoint(spec, root, trusted, where, allow_modules, allow_hosts)
    if not isinstance(spec, str):
        return make_agent(spec, name=_name_of(spec), adapters=adapters)
    found = find_reference(spec, root=root, allow_modules=allow_modules, trusted=trusted, where=where)
    if isinstance(found.value, (Mapping, str)):
        return load_agent(
            found.value, root=root, trusted=trusted, where=where, allow_modules=allow_modules, allow_hosts=allow_hosts
        )
    if type(found.value) is FunctionType and not adapters:
        function = found.value
        return _of_function(function, function.__code__, is_marked(function), spec, found.module.__name__)
    return make_agent(found.value, name=spec, module_names=(found.module.__name__,), adapters=adapters)


@lru_cache(maxsize=8)
def _of_function(function: FunctionType, code: CodeType, marked: bool, name: str, module: str) -> Agent:
    """The agent that a function of a module is: the same in every replay of a suite, and nothing of one is kept in it.

    `code` and `marked` say that the function is still what it was.
    """
    return make_agent(function, name=name, module_names=(module,))


def _load_endpoint(
    mapping: Mapping[str, Any],
    root: Path,
    trusted: bool,
    where: str,
    allow_modules: Sequence[str],
    allow_hosts: Sequence[str],
) -> Agent:
    endpoint = mapping.get("endpoint")
    if not isinstance(endpoint, str):
        return make_agent(mapping, name=_name_of(endpoint) if callable(endpoint) else where)
    if _is_url(endpoint):
        if not trusted:
            _check_reach(mapping, endpoint, where, allow_hosts)
        return make_agent(mapping, name=endpoint)
    found = find_reference(endpoint, root=root, allow_modules=allow_modules, trusted=trusted, where=where)
    return make_agent({**mapping, "endpoint": found.value}, name=endpoint, module_names=(found.module.__name__,))


def _check_reach(mapping: Mapping[str, Any], endpoint: str, where: str, allow_hosts: Sequence[str]) -> None:
    elsewhere = "name the endpoint by command line, marker, fixture or ini"
    url = urlsplit(endpoint)
    host = url.hostname or ""
    if "$" in url.netloc:
        raise AgentError(f"{where}: a file may not take a host from environment variables; {elsewhere}")
    if _is_loopback(host):
        return
    if not any(fnmatchcase(host, pattern) for pattern in allow_hosts):
        raise AgentError(
            f"{where}: a file may not send requests to {host!r}; allow it in `replay_allow_hosts` (ini), or {elsewhere}"
        )
    if "${" in str(dict(mapping)):
        raise AgentError(f"{where}: a file may not send environment variables (${{…}}) to {host!r}; {elsewhere}")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_url(text: str) -> bool:
    return "://" in text


def _parsed(text: str, where: str) -> Mapping[str, Any]:
    import json

    try:
        value = json.loads(text)
    except ValueError as error:
        raise AgentError(f"{where}: the agent {text!r} is not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise AgentError(f"{where}: the agent {text!r} is no mapping")
    return value


def _name_of(obj: Any) -> str:
    target = obj if hasattr(obj, "__qualname__") else type(obj)
    return f"{target.__module__}:{target.__qualname__}"
