"""The files that a run writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_agent_replay import ReplayError, Trace
from pytest_agent_replay.report.files import json_text, results_document, trace_name, write_json, write_trace
from pytest_agent_replay.report.results import ReplayResult


def test_the_document_has_the_documented_shape() -> None:
    """Version, start in UTC, duration, summary, replays."""
    row = ReplayResult("a", "a.replay.yaml", "passed").to_dict()
    document = results_document([row], started=1771232400.0, duration_s=0.8124)
    assert document["version"] == 1
    assert document["started"] == "2026-02-16T09:00:00Z"
    assert document["duration_ms"] == 812
    assert document["summary"]["replays"] == 1
    assert document["replays"] == [row]


def test_json_is_strict_whatever_is_in_it() -> None:
    """NaN, infinity and foreign objects become text."""
    assert json.loads(json_text({"a": [float("nan"), float("-inf"), 1.5], "b": Path("x")})) == {
        "a": ["nan", "-inf", 1.5],
        "b": repr(Path("x")),
    }


def test_files_are_written_whole_and_over_old_ones(tmp_path: Path) -> None:
    """Folders are made, nothing else is left behind, surrogates survive."""
    path = tmp_path / "deep" / "out.json"
    write_json(path, {"old": 1})
    write_json(path, {"text": "é \ud800 \U0001f600"})
    assert json.loads(path.read_text("utf-8")) == {"text": "é \ud800 \U0001f600"}
    assert [p.name for p in path.parent.iterdir()] == ["out.json"]


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    """A file in the place of a folder."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(ReplayError, match="cannot be made"):
        write_json(tmp_path / "file" / "out.json", {})


def test_a_trace_is_read_back(tmp_path: Path) -> None:
    """Without loss."""
    trace = Trace(metadata={"agent": "a"})
    write_trace(tmp_path / "a.trace.json", trace)
    assert Trace.load(tmp_path / "a.trace.json") == trace


def test_names_of_traces_are_safe_and_distinct() -> None:
    """Two labels never share a file, nor leave the folder."""
    labels = ["a", "A b", "A/b", "../a", "é", "ê", "x" * 300, "x" * 301, "."]
    names = [trace_name(label) for label in labels]
    assert names[0] == "a.trace.json"
    assert len(set(names)) == len(names)
    assert all(name == Path(name).name and len(name) < 150 and not name.startswith(".") for name in names)
