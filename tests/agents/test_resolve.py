"""References of the user's own: command line, marker, fixture, ini."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.agents.resolve import import_reference, root_importable
from pytest_agent_replay.errors import AgentError

Project = Callable[..., Path]


def trusted(ref: str, root: Path) -> Any:
    return import_reference(ref, root=root, allow_modules=(), trusted=True, where="--replay-agent")


def error_of(ref: str, root: Path) -> str:
    with pytest.raises(AgentError) as caught:
        trusted(ref, root)
    return str(caught.value)


def test_names_a_function_of_a_module_under_the_root(project: Project) -> None:
    """The root is importable while a reference is resolved, and no longer afterwards."""
    root = project(shop_a="def answer(q): return q * 2")
    before = list(sys.path)
    assert trusted("shop_a:answer", root)("x") == "xx"
    assert sys.path == before


def test_names_attributes_of_objects(project: Project) -> None:
    """What follows the colon may be several names joined by dots."""
    root = project(shop_b="class Agent:\n    @staticmethod\n    def ask(q): return 'asked ' + q")
    assert trusted("shop_b:Agent.ask", root)("x") == "asked x"


def test_names_modules_of_packages_and_files(project: Project) -> None:
    """A path to a file gives the same module as its dotted name, so state is not doubled."""
    root = project(shop_c__init__="", shop_c__agent="calls = []")
    assert trusted("shop_c/agent.py:calls", root) is trusted("shop_c.agent:calls", root)
    assert trusted("shop_c\\agent.py:calls", root) is trusted("shop_c.agent:calls", root)


def test_files_with_the_same_name_stay_apart(project: Project) -> None:
    """Two files called agent.py in plain folders are two modules, each of which finds its neighbours while it loads."""
    root = project(
        one__twin="from near_one import word",
        one__near_one="word = 1",
        two__twin="from near_two import word",
        two__near_two="word = 2",
    )
    assert trusted("one/twin.py:word", root) == 1
    assert trusted("two/twin.py:word", root) == 2
    assert trusted("one/twin.py:word", root) == 1


def test_a_trusted_reference_may_name_any_module(tmp_path: Path) -> None:
    """The user's own reference is not restricted."""
    assert trusted("json:dumps", tmp_path)([1]) == "[1]"


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ("shop_d.agnt:answer", "no module named 'shop_d.agnt'; did you mean 'shop_d.agent'?"),
        ("shp_d.agent:answer", "no module named 'shp_d'; did you mean 'shop_d'?"),
        ("elsewhere:answer", "pytest's root; start it in the project's folder, or set `pythonpath`)"),
        ("shop_d.agent:anwser", "module 'shop_d.agent' has no 'anwser'; did you mean 'answer'?"),
        ("shop_d.agent:answer.nothing.more", "'answer' has no 'nothing'"),
        ("shop_d.agent.deeper:x", "'shop_d.agent' is a module, not a package"),
        ("shop_d.agent.answer", "did you mean 'shop_d.agent:answer'?"),
        ("shop_d.agent:", "write it as `package.module:name`"),
        (":answer", "write it as `package.module:name`"),
        ("shop_d.agent:answer()", "'answer()' is not a name"),
        ("shop d:answer", "'shop d' is not the name of a module"),
        ("shop_d/nothing.py:answer", "there is no file"),
    ],
)
def test_mistakes_name_the_reference_its_place_and_the_nearest_name(project: Project, ref: str, expected: str) -> None:
    """Every mistake says where the reference came from, and what is there instead."""
    root = project(shop_d__init__="", shop_d__agent="def answer(q): return q")
    message = error_of(ref, root)
    assert message.startswith(f"--replay-agent: reference {ref!r}: ")
    assert expected in message


def test_a_module_in_src_is_hinted_at(project: Project) -> None:
    """A module that is only importable once the project is installed gets the hint how."""
    root = project(src__shop_e="x = 1")
    assert "pythonpath = src" in error_of("shop_e:x", root)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import json\n\nraise ValueError('no key given')\n", "raised ValueError: no key given at shop_f.py:3"),
        (
            "import a_library_that_is_missing\n",
            "raised ModuleNotFoundError: No module named 'a_library_that_is_missing'",
        ),
        (
            "import json\njson.loads('nope')\n",
            "raised JSONDecodeError: Expecting value: line 1 column 1 (char 0) at shop_f.py:2",
        ),
        ("def broken(:\n", "raised SyntaxError"),
        ("raise SystemExit('usage: shop')\n", "raised SystemExit: usage: shop at shop_f.py:1"),
    ],
)
def test_what_the_users_module_raises_is_shown_with_its_place(project: Project, code: str, expected: str) -> None:
    """Type, message and the line in the user's own code, not in the library that raised."""
    assert expected in error_of("shop_f:agent", project(shop_f=code))


def test_a_failing_import_inside_an_existing_package_is_not_called_missing(project: Project) -> None:
    """When the module is there and what it imports is not, the message names what is missing inside."""
    root = project(shop_g__init__="", shop_g__agent="import shop_g.missing_part")
    assert "importing 'shop_g.agent' raised ModuleNotFoundError: No module named 'shop_g.missing_part'" in error_of(
        "shop_g.agent:x", root
    )


def test_the_root_stays_importable_for_late_imports_until_the_last_use_ends(tmp_path: Path) -> None:
    """Nested and overlapping uses share one entry, which is removed with the last."""
    first, second = root_importable(tmp_path), root_importable(tmp_path)
    before = list(sys.path)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert sys.path == [str(tmp_path), *before]
    second.__exit__(None, None, None)
    assert sys.path == before


def test_an_entry_of_the_users_own_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A root that is on `sys.path` already stays where it is."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    with root_importable(tmp_path):
        assert sys.path.count(str(tmp_path)) == 1
    assert sys.path[-1] == str(tmp_path)
