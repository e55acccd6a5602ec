"""What all replays of one pytest run share: settings from command line and ini, contracts, what hooks give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import pytest

from pytest_agent_replay.errors import SettingsError, StopReplay
from pytest_agent_replay.formats.files import LoadedReplay, load_replays
from pytest_agent_replay.player.current import current_session
from pytest_agent_replay.pytest_plugin.options import command_line_values, ini_values, nearest, read_value
from pytest_agent_replay.pytest_plugin.precedence import Layer, settings_of
from pytest_agent_replay.settings import Settings

if TYPE_CHECKING:
    from pytest_agent_replay.contracts.resolve import BoundContract, ContractFinder
    from pytest_agent_replay.contracts.verdict import Services
    from pytest_agent_replay.player.session import Session, StepHooks
    from pytest_agent_replay.runner import RunHooks
    from pytest_agent_replay.trace.model import Event

__all__ = ["SETTINGS", "Project", "checked_values", "project_of"]

SETTINGS = tuple(field.name for field in fields(Settings))
_KNOWN = ("agent", "contract", *SETTINGS)


def project_of(config: pytest.Config) -> Project:
    """The one project of a pytest run."""
    project = config.stash.get(_KEY, None)
    if project is None:
        project = config.stash[_KEY] = Project(config)
    return project


def checked_values(values: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """Settings, `agent` and `contract` as given by Python code. Raises `SettingsError` for wrong names and values."""
    checked: dict[str, Any] = {}
    for name, value in values.items():
        if name not in _KNOWN:
            raise SettingsError(f"{origin}: unknown setting {name!r}{nearest(name, _KNOWN)}")
        try:
            checked[name] = read_value(name, value)
        except ValueError as error:
            raise SettingsError(f"{origin}: {name}: {error}") from None
    return checked


class Project:
    """Made with the first replay that is collected; nothing of it exists in a run without replays."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.root = config.rootpath
        self.command_line = Layer("command line", command_line_values(config))
        self.ini = Layer("ini", ini_values(config))
        self.settings = settings_of((self.command_line, self.ini), SETTINGS)
        """What holds for a replay that nothing else says anything about."""
        traces = config.getoption("replay_traces")
        self.traces: Path | None = None if traces is None else config.invocation_params.dir / traces
        self.records: Literal["", "new", "force"] = ""
        """Whether replays are recorded anew instead of run."""
        if config.getoption("replay_record_force"):
            self.records = "force"
        elif config.getoption("replay_record"):
            self.records = "new"
        self._services: Services | None = None
        self._contracts: ContractFinder | None = None
        self.named_contracts: dict[object, BoundContract] = {}
        """Those that were found by name or path, by what named them."""
        self._given: dict[str, list[Any]] = {}
        self._paths_by_id: dict[str, tuple[Path, int]] = {}

    # -- collecting

    def load(self, path: Path) -> list[LoadedReplay]:
        """The sessions of a file. Raises `FormatError`."""
        return load_replays(path, root=self.root, max_size=self.settings.max_file_size)

    def duplicate_of(self, loaded: LoadedReplay) -> str | None:
        """Where another replay with the same id stands, as `path:line`; None when this one may have it."""
        here = (loaded.path, loaded.line)
        first = self._paths_by_id.setdefault(loaded.id, here)
        if first == here:
            return None
        path = first[0].relative_to(self.root) if first[0].is_relative_to(self.root) else first[0]
        return f"{path}:{first[1]}"

    # -- running

    @property
    def contracts(self) -> ContractFinder:
        """Finds contracts, with the checks that hooks add. Raises `ReplayError` for a wrong one of those."""
        if self._contracts is None:
            from pytest_agent_replay.contracts.registry import Registry
            from pytest_agent_replay.contracts.resolve import ContractFinder

            registry = Registry(self._from_hook("checks"))
            self._contracts = ContractFinder(self.root, registry=registry, max_file_size=self.settings.max_file_size)
        return self._contracts

    def services(self, settings: Settings, judge: Any, embed: Any) -> Services:
        """What contracts may use."""
        if judge is None and embed is None and settings is self.settings:
            if self._services is None:
                self._services = self._make_services(settings, None, None)
            return self._services
        return self._make_services(settings, judge, embed)

    def _make_services(self, settings: Settings, judge: Any, embed: Any) -> Services:
        from pytest_agent_replay.agents.resolve import import_reference
        from pytest_agent_replay.contracts.verdict import Services

        resolve = partial(
            import_reference, root=self.root, allow_modules=settings.allow_modules, trusted=False, where="contract"
        )
        return Services(judge, embed, settings.allow_python_checks, self.root, resolve)

    def run_hooks(self, item: pytest.Item) -> RunHooks:
        """What hooks add to the run of one item."""
        from pytest_agent_replay.runner import RunHooks

        return RunHooks(
            steps=_step_hooks(item),
            interceptors=self._from_hook("interceptors"),
            agents=self._from_hook("agents"),
            outcomes=(pytest.skip.Exception, pytest.fail.Exception, pytest.exit.Exception),
        )

    def _from_hook(self, name: str) -> list[Any]:
        found = self._given.get(name)
        if found is None:
            hook = getattr(self.config.hook, f"pytest_agent_replay_{name}")
            found = self._given[name] = [_part(name, each) for each in _flat(hook(config=self.config))]
        return found


_KEY = pytest.StashKey[Project]()
_PARTS = {
    "checks": ("Check: make one with `@pytest_agent_replay.check(name, params)`", ("name", "params", "function")),
    "agents": (
        "AgentAdapter: it needs `name`, `matches(obj)` and `make(obj, *, name, module_names)`",
        ("matches", "make"),
    ),
    "interceptors": ("Interceptor: make one with `Interceptor(name, module, apply)`", ("name", "module", "apply")),
}


def _part(hook: str, given: Any) -> Any:
    what, attributes = _PARTS[hook]
    if isinstance(given, type) or not all(hasattr(given, name) for name in attributes):
        raise SettingsError(f"pytest_agent_replay_{hook}: {given!r} is no {what}")
    return given


def _flat(answers: list[Any]) -> Iterator[Any]:
    for answer in answers:
        if isinstance(answer, (list, tuple)):
            yield from answer
        elif answer is not None:
            yield answer


def _step_hooks(item: pytest.Item) -> StepHooks | None:
    hooks = item.config.hook
    names = ("before_step", "after_step", "step_error")
    if not any(getattr(hooks, f"pytest_agent_replay_{name}").get_hookimpls() for name in names):
        return None
    return _Steps(item)


class _Steps:
    """Calls the step hooks that are visible from the item."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

    def before_step(self, event: Event) -> None:
        self._call("before_step", event)

    def after_step(self, event: Event) -> None:
        self._call("after_step", event)

    def step_error(self, event: Event) -> None:
        self._call("step_error", event)

    def _call(self, name: str, event: Event) -> None:
        hook = f"pytest_agent_replay_{name}"
        try:
            getattr(self._item.ihook, hook)(item=self._item, event=event)
        except Exception as error:
            # noted on the session and no `Exception`: an agent that swallows errors must not swallow this one
            message = f"{hook} raised {type(error).__name__} at {event.type}: {error}"
            session = cast("Session | None", current_session(hook))
            raise (session.stop(message) if session is not None else StopReplay(message)) from error
