"""`capture(path)`: what happens inside becomes a replay file."""

from __future__ import annotations

import functools
import inspect
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from pytest_agent_replay.agents.call import METHODS
from pytest_agent_replay.capturing.building import Built, build, usable
from pytest_agent_replay.capturing.journal import Journal, is_in_use, journals_of, read_journal
from pytest_agent_replay.capturing.session import CaptureSession
from pytest_agent_replay.capturing.wrapping import Step, Turn, wrapped
from pytest_agent_replay.errors import BindingError, ReplayError
from pytest_agent_replay.formats.writing import dump_yaml, replay_to_data, write_text_atomic
from pytest_agent_replay.intercept import built_in_interceptors, sockets
from pytest_agent_replay.intercept.binding import Binder
from pytest_agent_replay.intercept.functions import release
from pytest_agent_replay.intercept.registry import Interceptor, Patcher, after_imports, install
from pytest_agent_replay.player.current import known_session
from pytest_agent_replay.player.session import Session

__all__ = ["Captured", "capture", "recover", "target_of", "write"]

logger = logging.getLogger("pytest_agent_replay.capture")

_SUFFIXES = (".replay.yaml", ".replay.yml", ".replay.json")


class Captured:
    """What came of a capture: `path` is the file that was written (None: none was, `error` says why)."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.error: str | None = None
        self.files: list[tuple[Path, Built]] = []
        """All that were written: each conversation has its own where nobody said whose the requests are."""


class capture:
    """Writes a replay file of what really happens inside: inputs, tool calls, model answers, errors and latencies.

        with capture("incident.replay.yaml") as session:
            session.input = question
            session.output = agent(question)

        agent = capture("captured/")(agent)   # or as a decorator: each call is a session, and a file

    `path` is a file (`*.replay.yaml|yml|json`) or a folder, in which each capture gets a name. A file that exists is
    never replaced: the next free number is added to the name. Each task or thread that enters has a capture of its own.

    `tools` are names of functions that are tools although no model is offered them, or a mapping that binds names to
    functions, `pkg.mod:function` or routes, as `tools:` in a replay file does (None: found by its name). `agent`,
    `contract`, `tags`, `golden`, and the keys of a replay file in `about`, are written as they are; without a contract
    the file asks that the agent does what it did. `force` replaces a file that exists. `root` is the folder of the
    agent's own modules (default: the working directory).

    Nothing of this ever reaches the agent: what fails in the capture itself is logged (`pytest_agent_replay.capture`),
    and `captured.error` says why there is no file. The attribute `captured` tells what came of the last capture.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        tools: Mapping[str, Any] | Iterable[str] = (),
        agent: str | None = None,
        contract: Any = None,
        tags: Iterable[str] = (),
        golden: bool = False,
        about: Mapping[str, Any] | None = None,
        force: bool = False,
        root: str | os.PathLike[str] | None = None,
    ) -> None:
        self._path = Path(path)
        bound = dict(tools) if isinstance(tools, Mapping) else dict.fromkeys(_several(tools))
        self._tools = {name: target for name, target in bound.items() if target is not None}
        self.names = tuple(name for name, target in bound.items() if target is None)
        """Functions of these names are tools."""
        given = {"agent": agent, "contract": contract, "tags": _several(tags), "golden": golden}
        self._settings: dict[str, Any] = {**(about or {}), **{key: value for key, value in given.items() if value}}
        self._force = force
        self.expected = self.names
        """Of these, the ones that must be there: somebody has asked for them."""
        self._tools_written = {name: target for name, target in self._tools.items() if isinstance(target, str)}
        self._root = os.fspath(root) if root is not None else None
        self.modules: tuple[str, ...] = ()
        """Modules of the agent, in which tools are looked for first; that of the `with` statement is one anyway."""
        self._entered: list[_Running] = []
        self.captured = Captured()

    def __enter__(self) -> CaptureSession:
        return self._enter(id(sys._getframe(1)))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave(id(sys._getframe(1)), error)

    async def __aenter__(self) -> CaptureSession:
        return self._enter(id(sys._getframe(1)))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave(id(sys._getframe(1)), error)

    def _enter(self, frame: int) -> CaptureSession:
        running = _Running(self, self._settings, (*self.modules, _caller()))
        running.enter(frame)
        self._entered.append(running)
        _entered_here.set((*_entered_here.get(), running))
        return running.session

    def _leave(self, frame: int, error: BaseException | None) -> None:
        # fixtures and generators may be left in another context than they were entered in
        own = [each for each in _entered_here.get() if each in self._entered]
        running = (own or [each for each in self._entered if each.frame == frame] or self._entered)[-1]
        _entered_here.set(tuple(each for each in _entered_here.get() if each is not running))
        self._entered.remove(running)
        running.leave()
        self.captured = running.finish(error)

    def __call__(self, agent: Callable[..., Any]) -> Callable[..., Any]:
        """The agent, each call of which is captured in a file of its own."""
        if not callable(agent):
            raise ReplayError(
                f"a {type(agent).__name__} cannot be called: wrap the method that asks it, such as `capture(path)"
                "(graph.invoke)`, or capture with `with capture(path) as session:`"
            )
        return wrapped(agent, functools.partial(self._of_one_call, agent))

    def _of_one_call(self, agent: Callable[..., Any]) -> Turn:
        settings = {**self._settings, "agent": self._settings.get("agent") or _reference(agent)}
        running = _Running(self, settings, (getattr(agent, "__module__", None) or "",), entry=agent)

        def done(error: BaseException | None) -> None:
            self.captured = running.finish(error)

        return Turn(running.session, running.step, done)


_entered_here: ContextVar[tuple[_Running, ...]] = ContextVar("agent_replay_captures", default=())
"""One variable for all captures: a context keeps each that was ever set in it."""


class _Running:
    """One capture while it runs."""

    def __init__(
        self, owner: capture, settings: Mapping[str, Any], modules: tuple[str, ...], *, entry: Any = None
    ) -> None:
        """Installs what is needed. What fails is logged, and the agent runs without it."""
        self._exit = ExitStack()
        self._target: Path | None = None
        self._force = owner._force
        self._settings = dict(settings)
        self._tools = dict(owner._tools)
        self._names = owner.names
        self._expected = owner.expected
        written = {name: target for name, target in self._tools.items() if isinstance(target, str)}
        if written and "tools" not in self._settings:
            self._settings["tools"] = written
        self.session = CaptureSession(str(owner._path), tools=self._tools)
        self._is_replayed = self.session.is_idle = _in_a_replay()
        if self._is_replayed:
            return
        try:
            self._target = target_of(owner._path)
            self.session.label = str(self._target)
            self._settings, problems = usable(self._settings, self.session.scrubber)
            self.session.keep_in(self._journal(self._target))
            for problem in problems:
                self.session.fail(problem)
            self._exit.enter_context(install(_interceptors()))
            self._exit.callback(release, cast(Session, self.session))
            self._bind(Binder(owner._root or os.getcwd(), [name for name in modules if name], entry=entry))
        except Exception as error:
            self.session.broke(error)

    def step(self) -> AbstractContextManager[None]:
        """Code of the agent runs in here."""
        return nullcontext() if self._is_replayed else Step(self.session, strictly=True)

    def enter(self, frame: int) -> None:
        """Code of the agent runs from here on. `frame` is the `id` of the frame that says so."""
        self.frame = frame
        self._whole = self.step()
        self._whole.__enter__()

    def leave(self) -> None:
        """The end of `enter`."""
        self._whole.__exit__(None, None, None)
        if isinstance(self._whole, Step) and self._whole.is_elsewhere:
            self.session.left_elsewhere()

    def _journal(self, target: Path) -> Journal | None:
        try:
            _mention_leftovers(target)
            return Journal(target, {"settings": self._settings})
        except OSError as error:
            logger.warning("%s: no journal can be written beside it (%s)", target, error)
            return None

    def _bind(self, binder: Binder) -> None:
        session = self.session
        told: set[str] = set()

        def bind(names: Iterable[str]) -> None:
            binder.bind_offered(cast(Session, session), names)

        def trying(step: Callable[[], None]) -> None:
            try:
                step()
            except BindingError as error:
                if str(error) not in told:
                    told.add(str(error))
                    session.fail(str(error))
            except Exception as error:
                session.broke(error)

        def imported(module: Any) -> None:
            trying(lambda: binder.bind_recorded(cast(Session, session)))
            trying(lambda: bind(self._names))

        session.bind = bind
        if self._tools or self._names:
            self._exit.enter_context(after_imports(imported))
            imported(None)

    def finish(self, error: BaseException | None = None) -> Captured:
        """Undoes everything, and writes the file. `error` is what the agent raised."""
        captured = Captured()
        session = self.session
        if session.is_forked:  # journal and file are those of the process that captures
            return captured
        if error is not None:
            session.raised(error)
        try:
            self._exit.close()
            session.miss(self._expected)
            session.end()
            if session.has_seen and self._target is not None:
                captured.files = write(self._target, session, self._settings, force=self._force)
                captured.path = captured.files[0][0]
            session.close_journal(remove=True)
        except Exception as problem:
            session.end()
            captured.error = str(problem) or type(problem).__name__
            # what a secret could not be taken out of is not kept either
            left = session.close_journal(remove=isinstance(problem, _Leak))
            more = f"; `agent-replay record --recover {left}` makes it of what was seen" if left is not None else ""
            logger.error("%s: no replay file was written: %s%s", self._target, captured.error, more, exc_info=problem)
        if captured.path is None and captured.error is None:
            captured.error = session.error
        return captured


def _several(given: Iterable[str]) -> list[str]:
    """A lone text is one name, and not its letters."""
    return [given] if isinstance(given, str) else list(given)


# -- files


class _Leak(ReplayError):
    """A key that is in use would have been written."""


def target_of(path: Path) -> Path:
    """The file that a capture to this path is written to: a folder gets a file with a name of its own."""
    if path.name.endswith(_SUFFIXES):
        return path.absolute()
    from datetime import datetime, timezone

    now = datetime.now(timezone.utc)
    return (path / f"{now:%Y-%m-%dT%H%M%S}-{os.urandom(3).hex()}.replay.yaml").absolute()


def write(
    target: Path, session: CaptureSession, settings: Mapping[str, Any], *, force: bool = False
) -> list[tuple[Path, Built]]:
    """Writes what a session saw. Raises `ReplayError` rather than to write a key that is in use."""
    files = build(session.events, settings, session.scrubber)
    texts = [_text(target, built) for built in files]
    leaks = sorted({leak for text in texts for leak in session.scrubber.leaks(text)})
    if leaks:
        raise _Leak(
            f"the value of {', '.join(leaks)} stands in what was captured and could not be taken out of it, so nothing "
            "was written"
        )
    return _put_all(target, files, texts, force=force)


def recover(journal: Path) -> list[tuple[Path, Built]]:
    """The replay files of a capture whose process died, and removes the journal. Raises `ReplayError`."""
    header, events = read_journal(journal)
    target = Path(header["target"])
    if target.parent != journal.parent.absolute():  # the folder was moved
        target = journal.parent / target.name
    if not events:
        raise ReplayError(f"{journal}: nothing had happened when its process ended; remove it")
    try:
        files = build(events, header.get("settings") or {}, was_cut=True)
    except ValueError as error:
        raise ReplayError(f"{journal}: makes no replay file: {error}") from error
    found = _put_all(target, files, [_text(target, built) for built in files])
    journal.unlink()
    return found


def _put_all(target: Path, files: list[Built], texts: list[str], *, force: bool = False) -> list[tuple[Path, Built]]:
    found: list[tuple[Path, Built]] = []
    for built, text in zip(files, texts, strict=True):
        path = _put(target if not found or not force else _numbered(target, len(found) + 1), text, force=force)
        found.append((path, built))
    return found


def _text(target: Path, built: Built) -> str:
    data = replay_to_data(built.replay)
    return json.dumps(data, ensure_ascii=False, indent=2) + "\n" if target.suffix == ".json" else dump_yaml(data)


def _put(target: Path, text: str, *, force: bool = False) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    if force:
        write_text_atomic(target, text, force=True)
        return target
    for number in range(1, 10_000):
        path = target if number == 1 else _numbered(target, number)
        if path.exists():
            continue
        try:
            write_text_atomic(path, text)
        except ReplayError:
            if path.exists():  # somebody was faster
                continue
            raise
        return path
    raise ReplayError(f"{target}: there are too many files of this name")


def _numbered(target: Path, number: int) -> Path:
    stem, _, suffix = target.name.partition(".replay.")
    return target.with_name(f"{stem}-{number}.replay.{suffix}")


def _mention_leftovers(target: Path) -> None:
    if any(not is_in_use(journal) for journal in journals_of(target)):
        logger.warning(
            "%s: a process died while it captured to this file; `agent-replay record --recover %s` makes the replay "
            "file of what it had seen",
            target,
            target,
        )


# -- interceptors

_guarded: list[Interceptor] = []


def _interceptors() -> list[Interceptor]:
    """Those of replays but for the guard of connections. One that fails leaves its library alone, and the agent too."""
    if not _guarded:
        without = set(sockets.INTERCEPTORS)
        for each in built_in_interceptors():
            if each not in without:
                _guarded.append(Interceptor(each.name, each.module, functools.partial(_apply, each)))
    return _guarded


def _apply(interceptor: Interceptor, module: Any, patcher: Patcher) -> None:
    try:
        interceptor.apply(module, patcher)
    except Exception as error:
        logger.warning("calls of %s are not captured: %s", interceptor.module, error)


# -- agents


def _in_a_replay() -> bool:
    """An agent that captures itself is being replayed: the replay answers it, and nothing of that is worth a file."""
    session = known_session()
    return session is not None and not getattr(session, "observes", False)


def _caller() -> str:
    """The module whose code says `with capture(…)`."""
    frame: Any = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(("pytest_agent_replay", "contextlib")):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "")) if frame is not None else ""


def _reference(agent: Any) -> str | None:
    """`pkg.mod:name`, where the agent can be found by it: for a method, its class, where replays ask by that method."""
    module, name = getattr(agent, "__module__", None), getattr(agent, "__qualname__", "")
    if not isinstance(module, str) or module == "__main__" or not name or "<" in name:
        return None
    owner, _, method = name.rpartition(".")
    if not owner or isinstance(agent, type) or _is_static(agent, owner):
        return f"{module}:{name}"
    return f"{module}:{owner}" if method in (*METHODS, "__call__") else None


def _is_static(agent: Any, owner: str) -> bool:
    """Whether a function in a class is asked as it is, without an instance."""
    if isinstance(getattr(agent, "__self__", None), type):
        return True
    found: Any = sys.modules.get(agent.__module__)
    for part in (*owner.split("."), agent.__name__):
        found = inspect.getattr_static(found, part, None)
    return isinstance(found, staticmethod)
