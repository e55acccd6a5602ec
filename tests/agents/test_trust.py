"""References that stand in a file, which somebody else may have written."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.agents.resolve import import_reference
from pytest_agent_replay.errors import AgentError

Project = Callable[..., Path]
EXECUTED = "import builtins; builtins.agent_replay_executed = True\n"


def from_file(ref: str, root: Path, allow: Sequence[str] = ()) -> Any:
    return import_reference(ref, root=root, allow_modules=allow, trusted=False, where="in.replay.yaml:4:8")


def refused(ref: str, root: Path, allow: Sequence[str] = ()) -> str:
    with pytest.raises(AgentError) as caught:
        from_file(ref, root, allow)
    message = str(caught.value)
    assert message.startswith(f"in.replay.yaml:4:8: reference {ref!r}: ")
    return message


@pytest.fixture(autouse=True)
def nothing_executed() -> Any:
    """Whatever a test refuses must not have run."""
    import builtins

    yield
    executed = builtins.__dict__.pop("agent_replay_executed", False)
    assert not executed


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder beside the root from which modules can be imported, as installed libraries are."""
    folder = tmp_path / "outside"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_own_functions_classes_and_objects_may_be_named(project: Project) -> None:
    """What is defined under the root is the user's own: also decorated, partial, bound and re-exported."""
    root = project(
        own_a__init__="from .agent import answer as exported, agent as shared",
        own_a__agent="""
            import argparse, contextlib, functools
            def deco(f):
                @functools.wraps(f)
                def inner(*a): return f(*a)
                return inner
            @deco
            def answer(q): return q
            @functools.lru_cache
            def cached(q): return q
            @contextlib.contextmanager
            def managed(q): yield q
            class Agent:
                def run(self, q): return q
                @classmethod
                def make(cls): return cls()
            agent = Agent()
            short = functools.partial(answer, "q")
            library_object = argparse.ArgumentParser()
            endpoint = {"endpoint": "http://localhost"}
        """,
    )
    for name in (
        "answer",
        "cached",
        "managed",
        "Agent",
        "Agent.make",
        "agent",
        "agent.run",
        "short",
        "library_object",
        "endpoint",
    ):
        from_file(f"own_a.agent:{name}", root)
    from_file("own_a:exported", root)
    from_file("own_a:shared", root)
    from_file("own_a/agent.py:answer", root)


@pytest.mark.parametrize(
    "ref", ["os:system", "subprocess:Popen", "builtins:eval", "sys:exit", "json:dumps", "posixpath:join"]
)
def test_libraries_are_refused(tmp_path: Path, ref: str) -> None:
    """The standard library and built-in modules cannot be reached; the message says how to allow a module."""
    message = refused(ref, tmp_path)
    assert "replay_allow_modules" in message
    assert "command line, marker, fixture or ini" in message


def test_a_module_outside_is_refused_before_it_is_imported(project: Project, outside: Path) -> None:
    """A module from elsewhere is not even imported."""
    (outside / "foreign_a.py").write_text(EXECUTED + "def agent(q): return q")
    assert "outside of the pytest root" in refused("foreign_a:agent", project())
    assert "foreign_a" not in sys.modules


def test_a_listed_module_may_be_named(project: Project, outside: Path) -> None:
    """`replay_allow_modules` takes globs of modules; what a listed module only imported stays out of reach."""
    (outside / "foreign_b").mkdir()
    (outside / "foreign_b" / "__init__.py").write_text("")
    (outside / "foreign_b" / "bot.py").write_text("from os import system\ndef agent(q): return q")
    root = project()
    assert from_file("foreign_b.bot:agent", root, ["foreign_b.*"])("x") == "x"
    assert "not defined in your code" in refused("foreign_b.bot:system", root, ["foreign_b.*"])
    assert "outside" in refused("foreign_b.bot:agent", root, ["foreign"])


@pytest.mark.parametrize(
    "ref",
    [
        "own_b:system",
        "own_b:shell",
        "own_b:os.system",
        "own_b:run_it",
        "own_b:Popen",
        "own_b:cached",
        "own_b:bound",
        "own_b:agent.history.append",
        "own_b:Sub.mro",
    ],
)
def test_what_a_module_only_passes_on_is_refused(project: Project, ref: str) -> None:
    """A function or class of a library is refused however it got into the user's module."""
    root = project(
        own_b="""
            import functools, os
            from os import system
            from subprocess import Popen
            shell = system
            run_it = functools.partial(system)
            cached = functools.lru_cache(system)
            class Sub: pass
            class Agent:
                history = []
                def run(self, q): return q
            agent = Agent()
            bound = "text".join
        """
    )
    refused(ref, root)


def test_an_object_imported_from_a_library_is_refused(project: Project, outside: Path) -> None:
    """A ready-made callable object of a library is out of reach: by name, by star, over another own module."""
    (outside / "foreign_c.py").write_text("class Command:\n    def __call__(self, q): return q\ngit = Command()")
    root = project(
        own_c__init__="",
        own_c__tools="from foreign_c import git\nfrom foreign_c import Command\nmine = Command()",
        own_c__star="from foreign_c import *",
        own_c__again="from .tools import git, mine",
    )
    assert "'git' is imported into 'own_c.tools' from 'foreign_c'" in refused("own_c.tools:git", root)
    assert "imported into 'own_c.tools' from 'foreign_c'" in refused("own_c.again:git", root)
    assert "from 'foreign_c'" in refused("own_c.star:git", root)
    assert from_file("own_c.again:mine", root)("x") == "x"


@pytest.mark.parametrize(
    "ref", ["own_d:_private", "own_d:Agent.__init__", "own_d:answer.__globals__", "own_d:Agent.__subclasses__"]
)
def test_private_names_are_refused(project: Project, ref: str) -> None:
    """Names with an underscore lead into the machinery of Python."""
    root = project(own_d="class Agent: pass\ndef answer(q): return q\ndef _private(q): return q")
    assert "begin with an underscore" in refused(ref, root)


def test_main_modules_are_refused(project: Project) -> None:
    """`package.__main__` acts when it is imported."""
    root = project(own_e__init__="", own_e____main__=EXECUTED + "def agent(q): return q")
    (root / "own_e" / "__main__.py").write_text(EXECUTED + "def agent(q): return q")
    refused("own_e.__main__:agent", root)


def test_a_script_is_not_run_by_guessing_a_name(project: Project) -> None:
    """A module whose text does not define the name is not imported to find that out."""
    root = project(wipe_database=EXECUTED)
    assert "does not define 'agent', so it was not imported" in refused("wipe_database:agent", root)


def test_a_name_that_is_nearly_right(project: Project) -> None:
    """A typing mistake gets the nearest name of the module, which is not imported for that."""
    root = project(own_typo=EXECUTED + "def answer(q): return q")
    assert "does not define 'anser' (did you mean 'answer'?), so it was" in refused("own_typo:anser", root)


def test_a_module_name_too_long_for_a_file(project: Project) -> None:
    """A name that no file can have is one that does not exist."""
    root = project()
    assert "no module named 'xxx" in refused(f"{'x' * 5000}:agent", root)
    assert "is not a file" in refused(f"{'x' * 5000}.py:agent", root)


@pytest.mark.parametrize("folder", ["lib/site-packages", "venv/lib", "lib/dist-packages"])
def test_libraries_installed_under_the_root_are_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """A virtual environment or `site-packages` under the root is not the user's own code."""
    root = project()
    where = root / folder
    where.mkdir(parents=True)
    if folder.startswith("venv"):
        (root / "venv" / "pyvenv.cfg").write_text("")
    (where / "foreign_d.py").write_text(EXECUTED + "def agent(q): return q")
    monkeypatch.syspath_prepend(str(where))
    assert "is an installed library" in refused("foreign_d:agent", root)
    assert "is an installed library" in refused(f"{folder}/foreign_d.py:agent", root)


def test_the_interpreter_is_refused_even_when_the_root_contains_it() -> None:
    """With the root at the file system's own root, the standard library is still not the user's."""
    assert "installed library" in refused("json.tool:main", Path(os.path.realpath("/")))


def test_paths_out_of_the_root_are_refused(project: Project, outside: Path) -> None:
    """Neither `..` nor an absolute path nor a symbolic link leads out."""
    (outside / "foreign_e.py").write_text(EXECUTED + "def agent(q): return q")
    root = project()
    assert "outside of the pytest root" in refused("../outside/foreign_e.py:agent", root)
    assert "outside of the pytest root" in refused(f"{(outside / 'foreign_e.py').as_posix()}:agent", root)
    try:
        (root / "linked.py").symlink_to(outside / "foreign_e.py")
        (root / "linkedpkg").symlink_to(outside, target_is_directory=True)
    except OSError:  # pragma: no cover  # Windows without the right to make links
        pytest.skip("no symbolic links here")
    assert "outside of the pytest root" in refused("linked:agent", root)
    assert "outside of the pytest root" in refused("linked.py:agent", root)
    assert "outside of the pytest root" in refused("linkedpkg.foreign_e:agent", root)


def test_a_library_that_is_loaded_already_is_not_taken_for_an_own_file(project: Project) -> None:
    """A file under the root with the name of a loaded library does not open the library."""
    root = project(json="def dumps(q): return q")
    assert "is" in refused("json:loads", root)


def test_objects_without_a_module_and_modules_are_refused(project: Project) -> None:
    """A reference has to end at something that was defined in a module's text."""
    root = project(own_f__init__="from . import part", own_f__part="x = 1")
    assert "names a module" in refused("own_f:part", root)
