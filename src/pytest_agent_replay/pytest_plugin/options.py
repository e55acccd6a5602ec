"""The command line options and ini values: one table, which declares, reads and checks them.

Loaded at every start of pytest, so it imports next to nothing. A value that is not given is absent from what is
read here: precedence (see `precedence.py`) decides what then holds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pytest

__all__ = [
    "NOT_GIVEN",
    "OPTIONS",
    "Option",
    "add_options",
    "check_usage",
    "command_line_values",
    "ini_values",
    "nearest",
    "read_value",
]

GROUP = "agent-replay"
LLM_MODES = ("auto", "prefix", "recorded", "live")
SEVERITIES = ("critical", "high", "medium", "low")


class _NotGiven:
    """What our own fixtures return: so it is known where a project overrides none of them."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "<not given>"


NOT_GIVEN = _NotGiven()


def nearest(word: str, known: Sequence[str]) -> str:
    """`; did you mean 'x'?` for the name that `word` looks like; empty when there is none."""
    from difflib import get_close_matches

    close = get_close_matches(word, known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def one_of(*choices: str) -> Callable[[str], str]:
    """A reader of values that must be one of `choices`."""

    def read(text: str) -> str:
        if text in choices:
            return text
        raise ValueError(f"{text!r} is not one of {', '.join(choices)}{nearest(text, choices)}")

    return read


def latency(text: str) -> float:
    """`virtual`, `real`, or the factor that recorded latencies are slept with."""
    if text in ("virtual", "real"):
        return float(text == "real")
    try:
        factor = float(text)
    except ValueError:
        factor = -1.0
    if not 0 <= factor < float("inf"):
        hint = nearest(text, ("virtual", "real"))
        raise ValueError(f"{text!r} is neither `virtual` nor `real` nor a factor such as 0.1{hint}")
    return factor


def whole_number(text: str) -> int:
    """An integer of at least 1."""
    if not text.isascii() or not text.isdigit() or not int(text):
        raise ValueError(f"{text!r} is not a whole number of at least 1")
    return int(text)


_UNITS = {"": 1, "B": 1, "KB": 10**3, "KIB": 2**10, "MB": 10**6, "MIB": 2**20, "GB": 10**9, "GIB": 2**30}


def size(text: str) -> int:
    """A number of bytes, also as `16 MiB`, `500 kB`."""
    digits = text.rstrip("BKMGIbkmgi ")
    unit = text[len(digits) :].strip().upper()
    if unit not in _UNITS:
        raise ValueError(f"{text!r} is not a size such as 1000000, 500 kB or 16 MiB")
    return whole_number(digits) * _UNITS[unit]


def truth(text: str) -> bool:
    """`true` or `false`, in the spellings that ini files have for them."""
    lowered = text.lower()
    if lowered in ("1", "true", "yes", "on"):
        return True
    if lowered in ("0", "false", "no", "off"):
        return False
    raise ValueError(f"{text!r} is neither true nor false")


def binding(text: str) -> tuple[str, str]:
    """`NAME = TARGET`: the tool's name and what it is bound to."""
    name, equals, target = text.partition("=")
    if not equals or not name.strip() or not target.strip():
        raise ValueError(f"{text!r} is not NAME=TARGET, such as `search=my_app.tools:search`")
    return name.strip(), target.strip()


def bindings(lines: Sequence[str]) -> dict[str, str]:
    """Lines of `name = target`."""
    return dict(binding(line) for line in lines)


def text(value: str) -> str:
    """Any text that is not blank."""
    if not value.strip():
        raise ValueError("it is empty")
    return value.strip()


class Option(NamedTuple):
    """One setting: its name in `Settings` (a dotted name is a key of that mapping) and where it can be given."""

    name: str
    read: Callable[[Any], Any]
    help: str
    cli: str | None = None
    ini: str | None = None
    ini_type: str = "string"
    metavar: str | None = None
    action: str = "store"


_MATCHING = "default of the `matching:` key of this name"

OPTIONS: tuple[Option, ...] = (
    Option(
        "agent",
        text,
        "the agent under test: `pkg.mod:name`, or the URL of an endpoint",
        cli="--replay-agent",
        ini="replay_agent",
        metavar="REF",
    ),
    Option(
        "contract",
        text,
        "the contract to judge by: a name or a path",
        cli="--replay-contract",
        ini="replay_contract",
        metavar="REF",
    ),
    Option(
        "llm",
        one_of(*LLM_MODES),
        "where model answers come from: auto (the recording while requests are the recorded ones, live where nothing "
        "is recorded), prefix (live from the first difference on), recorded, live",
        cli="--replay-llm",
        ini="replay_llm",
        metavar="MODE",
    ),
    Option(
        "latency",
        latency,
        "virtual (default: counted, not slept), real, or a factor such as 0.1",
        cli="--replay-latency",
        ini="replay_latency",
        metavar="HOW",
    ),
    Option(
        "network",
        one_of("guard", "allow"),
        "guard (default) refuses connections that no recording answers; allow lets them through",
        cli="--replay-network",
        ini="replay_network",
        metavar="HOW",
    ),
    Option(
        "stale",
        one_of("ignore", "report", "fail"),
        "recordings that today's tools could not have been called with: report (default), fail, ignore",
        cli="--replay-stale",
        ini="replay_stale",
        metavar="HOW",
    ),
    Option(
        "fail_on",
        one_of(*SEVERITIES),
        "least severity at which a failing invariant fails its replay (default: low)",
        cli="--replay-fail-on",
        ini="replay_fail_on",
        metavar="SEVERITY",
    ),
    Option(
        "require_red",
        truth,
        "a contract that holds on the recorded failure fails its replay",
        cli="--replay-require-red",
        ini="replay_require_red",
        action="store_true",
    ),
    Option(
        "allow_inconclusive",
        truth,
        "inconclusive replays are skipped, not failed",
        cli="--replay-allow-inconclusive",
        ini="replay_allow_inconclusive",
        action="store_true",
    ),
    Option(
        "tools",
        binding,
        "bind a tool to `pkg.mod:callable` or a route (`GET https://host/path*`); repeatable",
        cli="--replay-tool",
        metavar="NAME=TARGET",
        action="append",
    ),
    Option("tools", bindings, "lines of `name = target` that bind tools", ini="replay_tools", ini_type="linelist"),
    Option("max_calls", whole_number, "calls in one turn after which it is ended (200)", ini="replay_max_calls"),
    Option(
        "allow_modules",
        tuple,
        "modules outside of the root that a replay file may name",
        ini="replay_allow_modules",
        ini_type="args",
    ),
    Option(
        "allow_hosts",
        tuple,
        "hosts (globs) that replays may really reach",
        ini="replay_allow_hosts",
        ini_type="args",
    ),
    Option(
        "allow_python_checks",
        truth,
        "invariants of type `python` may run",
        ini="replay_allow_python_checks",
    ),
    Option("max_file_size", size, "largest replay or contract file (16 MiB)", ini="replay_max_file_size"),
    Option("matching.args", one_of("subset", "exact", "ignore"), _MATCHING, ini="replay_args"),
    Option("matching.ignore_args", list, _MATCHING, ini="replay_ignore_args", ini_type="args"),
    Option("matching.order", one_of("any", "strict"), _MATCHING, ini="replay_order"),
    Option("matching.unrecorded", one_of("fail", "error", "live"), _MATCHING, ini="replay_unrecorded"),
    Option("matching.exhausted", one_of("repeat", "fail"), _MATCHING, ini="replay_exhausted"),
    Option("matching.unused", one_of("ignore", "report", "fail"), _MATCHING, ini="replay_unused"),
)


def add_options(parser: pytest.Parser) -> None:
    """Declares every option and ini value to pytest."""
    group = parser.getgroup(GROUP, "replays of recorded agent sessions")
    for option in OPTIONS:
        if option.cli is not None:
            group.addoption(option.cli, dest=_dest(option.cli), default=None, help=option.help, **_argument(option))
        if option.ini is not None:
            parser.addini(option.ini, option.help, type=option.ini_type, default=None)  # type: ignore[arg-type]
    named = _argparse_type(text)
    group.addoption("--replay-json", metavar="FILE", type=named, help="write the results of all replays to this file")
    group.addoption(
        "--replay-traces", metavar="DIR", type=named, help="write what happened in each replay to a file in this folder"
    )
    group.addoption(
        "--replay-record",
        action="store_true",
        help="ask the agents for real what the users of the replay files asked, and write what happens to "
        "ID.recorded.replay.yaml beside each file; nothing is judged",
    )
    group.addoption(
        "--replay-record-force", action="store_true", help="the same, and overwrite recordings that exist already"
    )
    group.addoption(
        "--replay-import",
        action="store_true",
        help="first fetch what is new in the sources of `replay_sources` and of a flakestorm.yaml; what was fetched "
        "before is used when they cannot be reached",
    )
    parser.addini(
        "replay_sources",
        "sources for --replay-import, a line each, as after `agent-replay import`",
        type="linelist",
        default=[],
    )
    parser.addini(
        "replay_scan",
        "one more item for each replay file: are there secrets or personal data in it?",
        type="bool",
        default=False,
    )
    parser.addini("replay_import_dir", "where --replay-import puts its files (replays/imported)", default=None)
    group.addoption(
        "--replay-collect",
        metavar="FILE",
        action="append",
        default=[],
        help="collect this file as a replay file although its name does not end in .replay.yaml; repeatable",
    )


def _argument(option: Option) -> dict[str, Any]:
    if option.action == "store_true":
        return {"action": "store_true"}
    return {"action": option.action, "metavar": option.metavar, "type": _argparse_type(option.read)}


def _argparse_type(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def typed(value: str) -> Any:
        try:
            return read(value)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return typed


def _dest(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")


def command_line_values(config: pytest.Config) -> dict[str, Any]:
    """The settings given on the command line, by their names."""
    found: dict[str, Any] = {}
    for option in OPTIONS:
        if option.cli is not None:
            value = config.getoption(_dest(option.cli))
            if value is not None:
                _put(found, option.name, dict(value) if option.action == "append" else value)
    return found


def ini_values(config: pytest.Config) -> dict[str, Any]:
    """The settings given in the ini file, by their names. Raises `pytest.UsageError` for one that cannot be used."""
    found: dict[str, Any] = {}
    for option in OPTIONS:
        if option.ini is None:
            continue
        value = _ini(config, option.ini)
        if value is None or value in ("", []):
            continue
        try:
            _put(found, option.name, option.read(value))
        except ValueError as error:
            raise pytest.UsageError(f"{config.inipath or 'ini'}: {option.ini}: {error}") from None
    return found


def check_usage(config: pytest.Config) -> None:
    """Refuses what pytest would use as it is, or only when it is needed. Raises `pytest.UsageError`."""
    ini_values(config)
    _ini(config, "replay_scan")
    folder = config.invocation_params.dir
    results = config.getoption("replay_json")
    if results is not None and (folder / results).is_dir():
        raise pytest.UsageError(f"--replay-json: {folder / results} is a folder; name a file")
    for path in config.getoption("replay_collect"):
        if not (folder / path).exists():
            raise pytest.UsageError(f"--replay-collect: there is no file {folder / path}")


def _ini(config: pytest.Config, name: str) -> Any:
    try:
        return config.getini(name)
    except (ValueError, pytest.UsageError) as error:  # newer versions raise the second, and neither names the option
        raise pytest.UsageError(f"{config.inipath or 'ini'}: {name}: {error}") from None


def read_value(name: str, value: Any) -> Any:
    """A setting as Python code gives it, checked like one from the command line. Raises `ValueError`."""
    if name in _FLAGS:
        if not isinstance(value, bool):
            raise ValueError(f"{value!r} is neither True nor False")
        return value
    if name in _MAPPINGS:
        if value is not None and not isinstance(value, Mapping):
            raise ValueError(f"{value!r} is not a mapping")
        return _matching_rules(value) if name == "matching" and value else value
    if name in _SEQUENCES:
        return (value,) if isinstance(value, str) else tuple(value)
    if value is None or name in ("agent", "contract"):
        return value
    return next(option.read for option in OPTIONS if option.name == name)(str(value))


def _matching_rules(rules: Mapping[str, Any]) -> dict[str, Any]:
    known = {option.name.partition(".")[2]: option for option in OPTIONS if option.name.startswith("matching.")}
    for name in rules:
        if name not in known:
            raise ValueError(f"unknown key {name!r}{nearest(str(name), tuple(known))}")
    return {name: known[name].read(value) for name, value in rules.items()}


_FLAGS = ("require_red", "allow_inconclusive", "allow_python_checks")
_MAPPINGS = ("tools", "matching", "overrides")
_SEQUENCES = ("allow_modules", "allow_hosts")


def _put(values: dict[str, Any], name: str, value: Any) -> None:
    outer, dot, inner = name.partition(".")
    if dot:
        values.setdefault(outer, {})[inner] = value
    else:
        values[outer] = value
