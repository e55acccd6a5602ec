"""The names that `import pytest_agent_replay` offers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pytest_agent_replay


@pytest.mark.parametrize("name", pytest_agent_replay.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """And listed by `dir`."""
    assert getattr(pytest_agent_replay, name) is not None
    assert name in dir(pytest_agent_replay)


def test_a_wrong_name_is_an_attribute_error() -> None:
    """As for any module."""
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        _ = pytest_agent_replay.Nonsense


def test_importing_the_package_loads_nothing_else() -> None:
    """pytest does it at every start."""
    program = (
        "import sys, pytest_agent_replay; print(sorted(m for m in sys.modules if m.startswith('pytest_agent_replay')))"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "['pytest_agent_replay']"
