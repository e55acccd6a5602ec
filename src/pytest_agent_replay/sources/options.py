"""The options of an import: those that every source has, and what they ask for.

The same words are understood on the command line and in a project's configuration.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.sources.source import Source
from pytest_agent_replay.sources.writer import Wishes

if TYPE_CHECKING:
    from pytest_agent_replay.redaction import Redactor

__all__ = ["DESCRIPTION", "add_common", "common_values", "import_parser", "refuse_addresses", "wishes"]

DESCRIPTION = (
    "Makes a replay file of each session. What was guessed, lost or redacted is said on the screen and in the file. "
    "Run again, it writes what is new and leaves the rest as it is."
)
_OUT = "replays"
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_NAMED = ("file", "what")
"""Where sources have the files and ids that a command line names."""
_OF_ADDRESSES = ("tracking_uri", "url", "base_url", "endpoint")
_COMMON = ("out", "contract", "no_contract", "golden", "agent", "add_tag", "expires", "force", "no_redaction", "run")


def import_parser(source: Source) -> argparse.ArgumentParser:
    """What `agent-replay import NAME` understands: the options of the source, and those that all have."""
    parser = argparse.ArgumentParser(
        prog=f"agent-replay import {source.name}", description=f"{source.description} {DESCRIPTION}".strip()
    )
    source.add_arguments(parser)
    add_common(parser)
    return parser


def add_common(parser: argparse.ArgumentParser) -> None:
    """Declares what every import can be told, whatever the source."""
    group = parser.add_argument_group("the replay files")
    group.add_argument(
        "-o", "--out", metavar="DIR", default=_OUT, help=f"where they go (default: {_OUT}), or one file for one session"
    )
    group.add_argument(
        "--contract", metavar="REF", help="a contract's name, or the path of its file (default: proposed)"
    )
    group.add_argument("--no-contract", action="store_true", help="propose none")
    group.add_argument("--golden", action="store_true", default=None, help="all are good behaviour to keep")
    group.add_argument("--incident", action="store_false", dest="golden", help="none is, whatever it looks like")
    group.add_argument("--agent", metavar="REF", help="the agent under test, `package.module:name`")
    taken = parser._option_string_actions
    names = ["--add-tag"] if "--tag" in taken else ["--add-tag", "--tag"]
    group.add_argument(*names, metavar="T", action="append", default=[], dest="add_tag", help="repeatable")
    group.add_argument(
        "--expires",
        metavar="TIME",
        help="when the files are to go: 90d after the session, or a date (`agent-replay prune`)",
    )
    group.add_argument("--force", action="store_true", help="write over files that exist")
    group.add_argument(
        "--no-redaction", action="store_true", help="leave secrets and personal data as they are in the source"
    )
    group.add_argument("--run", action="store_true", help="run the files with pytest afterwards")


def common_values(given: argparse.Namespace) -> dict[str, Any]:
    """The values of the options of `add_common`."""
    return {name: getattr(given, name) for name in _COMMON}


def refuse_addresses(given: argparse.Namespace, allowed: str = "") -> None:
    """Raises `ReplayError` for the address of a server or a database where a file is named.

    `allowed` is a pattern of those that stand for an id. An address may hold a password: it is neither said nor sent.
    """
    for text in (str(text) for name in _NAMED for text in getattr(given, name, None) or ()):
        scheme = _ADDRESS.match(text)
        if scheme is None or (allowed and re.match(allowed, text)):
            continue
        option = next((name for name in _OF_ADDRESSES if hasattr(given, name)), None)
        what = f"it goes to --{option.replace('_', '-')}" if option else "this source reads exported files"
        raise ReplayError(f"{scheme[0]}… is an address, where a file is needed; {what}")


def wishes(
    given: argparse.Namespace,
    redactor: Callable[[], Redactor] | None,
    *,
    contract: str | None = None,
    agent: str | None = None,
) -> Wishes:
    """What the options ask for. `contract` and `agent` stand in where they name none."""
    return Wishes(
        contract=given.contract or contract,
        golden=given.golden,
        tags=given.add_tag,
        agent=given.agent or agent,
        propose=not given.no_contract,
        expires=given.expires,
        redactor=None if given.no_redaction else redactor,
    )
