from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Writes files into a project root of this test, and forgets the modules that are imported from it."""
    before = set(sys.modules)
    path = list(sys.path)
    root = tmp_path / "project"
    root.mkdir()

    def write(**files: str) -> Path:
        """`pkg__agent="…"` is pkg/agent.py."""
        for name, text in files.items():
            target = root / (name.strip("_").replace("__", "/") + ".py")
            if name.endswith("__init__"):
                target = root / name[: -len("__init__")].replace("__", "/").rstrip("/") / "__init__.py"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(textwrap.dedent(text))
        return root

    yield write
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file is None or str(tmp_path) in file:
            del sys.modules[name]
    sys.path[:] = path
