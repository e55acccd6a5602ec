"""The key of the pseudonyms: who has it can tell whether a value is the original of a pseudonym, by trying it."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from pytest_agent_replay.errors import ReplayError

__all__ = ["VARIABLE", "key_file", "redaction_key"]

VARIABLE = "AGENT_REPLAY_REDACTION_KEY"
_LEAST = 16


def redaction_key(environment: Mapping[str, str] | None = None) -> bytes:
    """The key in `AGENT_REPLAY_REDACTION_KEY`, or else in the user's own file, which is made when there is none.

    Raises `ReplayError` when it is too short, or the file cannot be read or made.
    """
    env = os.environ if environment is None else environment
    given = env.get(VARIABLE)
    if given:
        if len(given.encode()) < _LEAST:
            raise ReplayError(f"{VARIABLE} is too short: {_LEAST} bytes at least, or the originals could be guessed")
        return given.encode()
    path = key_file(env)
    try:
        return _read(path) if path.exists() else _made(path)
    except OSError as error:
        raise ReplayError(
            f"{path}: the key for redaction cannot be kept there ({error.strerror or error}); set {VARIABLE}"
        ) from None


def key_file(environment: Mapping[str, str]) -> Path:
    """Where the user's key is: in the folder that the platform has for the state of programs."""
    if sys.platform == "win32" and environment.get("LOCALAPPDATA"):
        state = Path(environment["LOCALAPPDATA"])
    elif sys.platform == "darwin":
        state = Path.home() / "Library" / "Application Support"
    else:
        # the specification says that a path that is not absolute does not count
        given = Path(environment.get("XDG_STATE_HOME", ""))
        state = given if given.is_absolute() else Path.home() / ".local" / "state"
    return state / "pytest-agent-replay" / "redaction.key"


def _read(path: Path) -> bytes:
    key = path.read_bytes().strip()
    if len(key) < _LEAST:
        raise ReplayError(f"{path}: this is no key for redaction: it has {len(key)} bytes; remove it to get a new one")
    return key


def _made(path: Path) -> bytes:
    """Two processes at once get the same key: who comes second reads what the first has put there, whole."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = secrets.token_hex(32).encode()
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(key + b"\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            return _read(path)
        except OSError:  # a file system without links
            os.replace(draft, path)
            return _read(path)
    finally:
        draft.unlink(missing_ok=True)
    return key
