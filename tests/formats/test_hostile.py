"""Files that nobody should write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.formats import hostile


@pytest.mark.parametrize("part", range(5))
def test_hostile_files_are_loaded_or_refused(tmp_path: Path, part: int) -> None:
    """500 mutated and hostile files are loaded or refused clearly, each within seconds, and execute nothing."""
    folder = tmp_path / "root"
    folder.mkdir()
    rows = hostile.run(100, part, folder)
    assert [failure for row in rows.values() for failure in row.failures] == []
    assert sum(row.loaded + row.refused for row in rows.values()) == 100


def test_the_same_number_makes_the_same_files() -> None:
    """The files depend on the number alone, so that a failure can be looked at again."""
    assert list(hostile.cases(60, 7)) == list(hostile.cases(60, 7))
    assert list(hostile.cases(60, 7)) != list(hostile.cases(60, 8))
    assert {case.kind for case in hostile.cases(60)} == set(hostile.MAKERS)
    assert {case.is_contract for case in hostile.cases(60)} == {True, False}


def test_a_crash_and_an_execution_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is neither loaded nor refused, and what executes something, is a failure in the table."""
    folder = tmp_path / "root"
    folder.mkdir()

    def crash(case: hostile.Case, at: Path) -> bool:
        (at / hostile.CANARY).touch()
        raise RecursionError("too deep")

    monkeypatch.setattr(hostile, "try_case", crash)
    rows = hostile.run(1, 0, folder)
    (row,) = rows.values()
    assert row.failures == ["file 0: RecursionError: too deep", "file 0: executed something"]
    assert "2 failures" in hostile.table(rows)
