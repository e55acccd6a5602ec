"""Written files read back equal and are pleasant to read."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.formats.loading import parse_document
from pytest_agent_replay.formats.replay import ReplayFile, ToolResponse
from pytest_agent_replay.formats.validation import validate
from pytest_agent_replay.formats.writing import dump_yaml, replay_to_data, write_text_atomic

WORDS = """null ~ yes 2024-05-20 1e5 0x1F 1_000 .5 --- ... << = -1 +1 ? - : # [] {} & * ! | > % @ `
key: k:v a#b 1:2 1.2.3 n Off 0o7 190:20:30.15 1,000 +.inf .nan !!str"""
TRICKY = WORDS.split()
TRICKY += [
    "",
    " ",
    "- a",
    "a: b",
    "a #b",
    "# c",
    "a\n b",
    "one\ntwo\n",
    "\n",
    "a\n\n",
    " a\nb",
    "a \nb",
    "\ta\nb",
    "a\n\tb",
]
TRICKY += [
    "x" * 2000,
    "word " * 60 + "end",
    "two  spaces " * 20,
    "é" * 600,
    "C:\\x",
    "it's",
    'say "x"',
    "'\"\\",
    "\r\n",
    "\x85",
]
TRICKY += [
    "\u2028",
    "\xa0",
    "\ufeff",
    "😀",
    "\0",
    "\x7f",
    "...\n",
    "--- a\nb",
    "%YAML 1.1\n",
    "a\n# b\n",
    "|\n",
    "#\n#",
    "日本: 語",
]

texts = (
    st.text()
    | st.text("ab \n\t:#-'\"\\,[]{}|>&*!%@`?.~\x85\u2028\xa0\ufeff\r0123e", max_size=30)
    | st.text("ab \n", max_size=300)
    | st.sampled_from(TRICKY)
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5), max_leaves=20
)


@settings(max_examples=200, deadline=None)
@given(values)
def test_any_json_reads_back_equal(value: Any) -> None:
    """Whatever JSON data is written is read back the same, types and order of keys included."""
    assert json.dumps(parse_document(dump_yaml(value), "a.yaml").data) == json.dumps(value)


@pytest.mark.parametrize("text", TRICKY)
def test_tricky_text_reads_back_equal(text: str) -> None:
    """Text that looks like something else survives as a value, a key and an item."""
    value = {"a": text, "b": [text, {text: text}], "c": {"d": {text: {"e": text}}}, text: 1}
    assert parse_document(dump_yaml(value), "a.yaml").data == value


@pytest.mark.parametrize("text", TRICKY)
def test_other_readers_agree(text: str) -> None:
    """A reader of YAML 1.1 takes text for text as well."""
    assert yaml.safe_load(dump_yaml({"a": text, "b": [text]})) == {"a": text, "b": [text]}


def test_what_is_written_is_pleasant_to_read() -> None:
    """Plain words stay plain, long text is folded, lines stay lines, small collections stand in one line."""
    data = {
        "id": "incident-2026-02-15",
        "captured_at": "2026-02-15T09:12:00Z",
        "name": "Prod incident: made up",
        "tags": ["finance", "sev1"],
        "context": "You are careful.\n\n  Say so.\n",
        "notes": " ".join(["a few words of text"] * 8),
        "tool_responses": [
            {
                "tool": "market_data_api",
                "args": {"ticker": "ACME", "zip": "01234"},
                "response": None,
                "latency_ms": 30000,
            },
            {"tool": "web_search", "response": {"rows": [{"a": 1.5}], "none": [], "deep": [[1, 2], [3]]}},
        ],
        "output": "I don't know.",
    }
    assert (
        dump_yaml(data)
        == """\
id: incident-2026-02-15
captured_at: "2026-02-15T09:12:00Z"
name: "Prod incident: made up"
tags: [finance, sev1]
context: |
  You are careful.

    Say so.
notes: >-
  a few words of text a few words of text a few words of text a few words of text a few words of text a few
  words of text a few words of text a few words of text
tool_responses:
  - tool: market_data_api
    args: {ticker: ACME, zip: "01234"}
    response: null
    latency_ms: 30000
  - tool: web_search
    response:
      rows:
        - a: 1.5
      none: []
      deep:
        - [1, 2]
        - [3]
output: "I don't know."
"""
    )


@pytest.mark.parametrize(
    "value", [float("nan"), {"a": [float("-inf")]}, {1: 2}, {"a": {1: 2}}, (1,), {"a": b"x"}, "\ud800"]
)
def test_what_is_no_json_is_not_written(value: Any) -> None:
    """Data that could not be read back is refused."""
    with pytest.raises(ValueError, match=r"JSON|not text|surrogate"):
        dump_yaml(value)


@pytest.mark.parametrize("innermost", [[], {}, [1], {"a": 1}])
def test_nesting_that_could_not_be_read_is_not_written(innermost: Any) -> None:
    """The limit of reading is the limit of writing."""
    value = innermost
    for _ in range(99):
        value = [value]
    assert parse_document(dump_yaml(value), "a.yaml").data == value
    with pytest.raises(ValueError, match="nested more than 100"):
        dump_yaml([value])


def test_only_what_was_given_is_data() -> None:
    """A replay's data has what its file had, in the same form."""
    text = """\
id: a
source: {type: manual, anything: 1}
input: null
tool_responses: [{tool: t, response: null, latency_ms: 30000}, {tool: u, latency_ms: 0.5, error: {type: E}}]
llm_responses: [{content: x, latency_ms: 7, usage: {input_tokens: 3}}]
import: {lost: []}
"""
    document = parse_document(text, "a.yaml")
    data = replay_to_data(validate(ReplayFile, document))
    assert json.dumps(data, sort_keys=True) == json.dumps(document.data, sort_keys=True)


def test_data_of_a_session_of_turns() -> None:
    """Turns and forks keep their form, and written files load."""
    replay = ReplayFile.model_validate(
        {
            "turns": [{"input": "x", "tool_responses": [{"tool": "t", "latency_ms": 5}]}],
            "forks": [{"name": "f", "tool_responses": [{"tool": "t", "latency_ms": 6}]}],
        }
    )
    text = dump_yaml(replay_to_data(replay))
    assert "latency_ms: 5\n" in text
    assert "latency_ms: 6\n" in text
    assert validate(ReplayFile, parse_document(text, "a.yaml")) == replay


def test_data_of_a_replay_made_in_python() -> None:
    """Models made in Python are written by the names that files use."""
    replay = ReplayFile(id="a", input=1, tool_responses=[ToolResponse(tool="t", response=[1])], import_={"from": "x"})
    assert replay_to_data(replay) == {
        "id": "a",
        "input": 1,
        "tool_responses": [{"tool": "t", "response": [1]}],
        "import": {"from": "x"},
    }


def test_files_are_written_whole(tmp_path: Path) -> None:
    """A new file has the text, the usual mode, and nothing is left beside it."""
    write_text_atomic(tmp_path / "a.yaml", "é: 1\n")
    assert (tmp_path / "a.yaml").read_bytes() == "é: 1\n".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]
    (tmp_path / "plain").touch()
    assert (tmp_path / "a.yaml").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_nothing_is_overwritten_without_force(tmp_path: Path) -> None:
    """An existing file stays as it is; with force it is replaced and keeps its mode."""
    path = tmp_path / "a.yaml"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o640)
    with pytest.raises(ReplayError, match=r"a\.yaml: exists already; nothing was written \(--force overwrites\)"):
        write_text_atomic(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    write_text_atomic(path, "new", force=True)
    assert path.read_text(encoding="utf-8") == "new"
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.yaml"]


def test_a_name_that_is_taken_meanwhile_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that appears while ours is written stays, with and without hard links."""
    path = tmp_path / "a.yaml"

    def taken(self: Path) -> bool:
        path.write_text("theirs", encoding="utf-8")
        return False

    def no_links(*_: Any) -> None:
        raise OSError("no hard links here")

    monkeypatch.setattr(Path, "exists", taken)
    for _ in range(2):
        with pytest.raises(ReplayError, match="exists already"):
            write_text_atomic(path, "ours")
        assert path.read_text(encoding="utf-8") == "theirs"
        monkeypatch.setattr(os, "link", no_links)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.yaml"]


def test_writing_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system has no hard links, new files are written all the same."""

    def no_links(*_: Any) -> None:
        raise OSError("no hard links here")

    monkeypatch.setattr(os, "link", no_links)
    write_text_atomic(tmp_path / "a.yaml", "new")
    assert [(entry.name, entry.read_text(encoding="utf-8")) for entry in tmp_path.iterdir()] == [("a.yaml", "new")]


def test_what_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing folder, a folder in the place of the file, and a full disk are clear errors, and leave nothing."""
    with pytest.raises(ReplayError, match=r"a\.yaml: cannot be written: No such file"):
        write_text_atomic(tmp_path / "none" / "a.yaml", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ReplayError, match="folder: cannot be written: "):
        write_text_atomic(tmp_path / "folder", "x", force=True)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ReplayError, match=r"b\.yaml: cannot be written: No space left on device"):
        write_text_atomic(tmp_path / "b.yaml", "x", force=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


@pytest.mark.skipif(os.name != "posix", reason="symbolic links need rights elsewhere")
def test_links_stay_links(tmp_path: Path) -> None:
    """Through a symbolic link, the file that it names is written."""
    (tmp_path / "real.yaml").write_text("old", encoding="utf-8")
    (tmp_path / "link.yaml").symlink_to("real.yaml")
    write_text_atomic(tmp_path / "link.yaml", "new", force=True)
    assert (tmp_path / "link.yaml").is_symlink()
    assert (tmp_path / "real.yaml").read_text(encoding="utf-8") == "new"
