"""Patches that are made with the first session and undone with the last."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from pytest_agent_replay.intercept import built_in_interceptors
from pytest_agent_replay.intercept.registry import Interceptor, Patcher, install


def test_what_a_patch_imports_is_patched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the next time, when it is loaded already: patches are not laid over one another."""
    (tmp_path / "outer_library.py").write_text("def ask(): return 0\n")
    (tmp_path / "inner_library.py").write_text("def ask(): return 0\n")
    monkeypatch.syspath_prepend(tmp_path)

    def patch_inner(module: ModuleType, patcher: Patcher) -> None:
        original = module.ask
        patcher.set(module, "ask", lambda: original() + 1)

    def patch_outer(module: ModuleType, patcher: Patcher) -> None:
        patch_inner(module, patcher)
        import_module("inner_library")

    both = (
        Interceptor("outer", "outer_library", patch_outer),
        Interceptor("inner", "inner_library", patch_inner),
    )
    outer = import_module("outer_library")
    try:
        for _ in range(3):
            with install(both):
                assert (outer.ask(), sys.modules["inner_library"].ask()) == (1, 1)
            assert (outer.ask(), sys.modules["inner_library"].ask()) == (0, 0)
    finally:
        sys.modules.pop("outer_library", None)
        sys.modules.pop("inner_library", None)


@pytest.mark.parametrize("file", ["aiohttp_", "http_client", "httpx_", "urllib3_"])
def test_every_patch_of_a_client_is_known_before_its_file_is_loaded(file: str) -> None:
    """A replay waits for each of the modules."""
    waited = {each.module for each in built_in_interceptors()}
    found = [each.module for each in import_module(f"pytest_agent_replay.intercept.{file}").INTERCEPTORS]
    assert found
    assert waited.issuperset(found)
