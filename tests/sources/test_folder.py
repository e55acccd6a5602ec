"""The folder of imported files: names, what is there already, and nothing lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_agent_replay.formats.writing import dump_yaml, write_text_atomic
from pytest_agent_replay.sources.folder import Outcome, ReplayFolder, safe_name

TEXT = "id: {id}\nsource:\n  type: test\n  thread_id: '{thread}'\ninput: Hi\n"


def put(
    folder: ReplayFolder, wish: str, thread: str, extra: str = "", digest: str | None = None
) -> tuple[str, Outcome]:
    """Puts a session into the folder."""
    source = {"type": "test", "thread_id": thread}
    name = folder.name_for(wish, source)
    path, outcome = folder.put(name, source, TEXT.format(id=name, thread=thread) + extra, digest)
    return path.name.removesuffix(".replay.yaml"), outcome


def test_names_are_unique_and_the_same_in_every_run(tmp_path: Path) -> None:
    """Also for a run that finds a part of the files there."""
    wishes = [("a", "1"), ("A", "2"), ("b", "3"), ("a", "4")]
    first = [put(ReplayFolder(tmp_path), *each)[0] for each in wishes]
    assert first == ["a", "A-2", "b", "a-3"]
    for name in ("A-2", "b"):
        (tmp_path / f"{name}.replay.yaml").unlink()
    folder = ReplayFolder(tmp_path)
    again = [put(folder, *each) for each in wishes]
    assert [name for name, _ in again] == first
    assert [outcome for _, outcome in again] == [
        Outcome.UNCHANGED, Outcome.WRITTEN, Outcome.WRITTEN, Outcome.UNCHANGED,
    ]  # fmt: skip


def test_a_renamed_file_is_still_that_session(tmp_path: Path) -> None:
    """Whatever somebody added to it below."""
    put(ReplayFolder(tmp_path), "a", "1")
    (tmp_path / "a.replay.yaml").rename(tmp_path / "refund-that-never-was.replay.yaml")
    folder = ReplayFolder(tmp_path)
    assert folder.find({"type": "test", "thread_id": "1"}) is not None
    assert put(folder, "a", "1") == ("refund-that-never-was", Outcome.EDITED)


def test_what_somebody_changed_is_left_alone(tmp_path: Path) -> None:
    """Unless told to write over it."""
    put(ReplayFolder(tmp_path), "a", "1")
    path = tmp_path / "a.replay.yaml"
    path.write_text(path.read_text() + "notes: mine\n")
    assert put(ReplayFolder(tmp_path), "a", "1")[1] is Outcome.EDITED
    assert "mine" in path.read_text()
    assert put(ReplayFolder(tmp_path, force=True), "a", "1") == ("a", Outcome.WRITTEN)
    assert "mine" not in path.read_text()


@pytest.mark.parametrize(
    ("digest", "outcome"), [("sha256:1", Outcome.EDITED), ("sha256:2", Outcome.CHANGED), (None, Outcome.CHANGED)]
)
def test_a_session_that_is_another_by_now_is_told_from_an_edited_file(
    tmp_path: Path, digest: str | None, outcome: Outcome
) -> None:
    """By the digest of what was recorded, which the file keeps."""
    put(ReplayFolder(tmp_path), "a", "1", "import: {digest: 'sha256:1'}\n")
    assert put(ReplayFolder(tmp_path), "a", "1", "notes: more\n", digest)[1] is outcome


def test_files_of_others_are_not_taken_for_ours(tmp_path: Path) -> None:
    """A replay written by hand keeps its name, broken ones are no obstacle."""
    (tmp_path / "a.replay.yaml").write_text("input: Hi\ncontract: X\n")
    (tmp_path / "b.replay.yaml").write_bytes(b"\xff\xfe\x00source: {")
    (tmp_path / "c.replay.yaml").write_text("source: {type: [\n")
    folder = ReplayFolder(tmp_path)
    assert put(folder, "a", "1")[0] == "a-2"
    assert put(folder, "b", "2")[0] == "b-2"
    assert (tmp_path / "a.replay.yaml").read_text() == "input: Hi\ncontract: X\n"


def test_one_file_can_be_named_for_one_session(tmp_path: Path) -> None:
    """A second session has no place in it."""
    folder = ReplayFolder(tmp_path / "incident.replay.yaml")
    assert put(folder, "a", "1") == ("incident", Outcome.WRITTEN)
    with pytest.raises(ValueError, match="holds one session"):
        put(folder, "b", "2")


def test_one_file_of_another_session_is_left_alone(tmp_path: Path) -> None:
    """It is not taken for a file of this one, nor written over."""
    put(ReplayFolder(tmp_path), "incident", "1")
    before = (tmp_path / "incident.replay.yaml").read_bytes()
    assert put(ReplayFolder(tmp_path / "incident.replay.yaml"), "b", "2") == ("incident", Outcome.TAKEN)
    assert (tmp_path / "incident.replay.yaml").read_bytes() == before


def test_a_json_file_is_known_by_its_source_too(tmp_path: Path) -> None:
    """As somebody may have written it anew."""
    (tmp_path / "a.replay.json").write_text('{"source": {"type": "test", "thread_id": "1"}, "input": "Hi"}')
    (tmp_path / "b.replay.json").write_text("{")
    folder = ReplayFolder(tmp_path)
    assert folder.find({"type": "test", "thread_id": "1"}) == tmp_path / "a.replay.json"


def test_what_a_killed_import_left_behind_is_cleared_away(tmp_path: Path) -> None:
    """Not what a running one is writing, and nobody else's files."""
    names = (".a.replay.yaml.x1.tmp", ".b.replay.yaml.x2.tmp", ".mine.tmp")
    for name in names:
        (tmp_path / name).write_text("half")
    for name in (names[0], names[2]):
        os.utime(tmp_path / name, (1, 1))
    put(ReplayFolder(tmp_path), "c", "1")
    assert sorted(path.name for path in tmp_path.iterdir()) == [names[1], names[2], "c.replay.yaml"]


def test_names_are_safe_everywhere() -> None:
    """What is changed or cut is told apart."""
    assert safe_name("../up") == "up"
    assert safe_name("nul") == "session-nul"
    assert safe_name("") == "session"
    assert safe_name("ü") != safe_name("ä")
    assert len(safe_name("x" * 200)) == 100
    assert safe_name("x" * 200) != safe_name("x" * 201)


def test_a_session_of_many_traces_is_known_again(tmp_path: Path) -> None:
    """However long its block is."""
    source = {"type": "test", "run_ids": [f"0b7c9d1e-1111-4222-8333-{number:012}" for number in range(2000)]}
    folder = ReplayFolder(tmp_path)
    folder.put("long", source, dump_yaml({"id": "long", "source": source, "input": "Hi"}))
    assert ReplayFolder(tmp_path).name_for("other", source) == "long"


@pytest.mark.parametrize(
    ("other", "outcome"),
    [("1", Outcome.UNCHANGED), ("1 #", Outcome.EDITED), ("2", None)],
)
def test_two_imports_at_once_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str, outcome: Outcome | None
) -> None:
    """The other one writes the same session, the same otherwise, or another by the same name at the last moment."""
    thread, _, comment = other.partition(" ")
    theirs = TEXT.format(id="a", thread=thread) + comment

    def late(path: Path, text: str, *, force: bool) -> None:
        path.write_text(theirs)
        write_text_atomic(path, text, force=force)

    monkeypatch.setattr("pytest_agent_replay.sources.folder.write_text_atomic", late)
    if outcome is None:
        with pytest.raises(ValueError, match="import again"):
            put(ReplayFolder(tmp_path), "a", "1")
    else:
        assert put(ReplayFolder(tmp_path), "a", "1") == ("a", outcome)
    assert [path.read_text() for path in tmp_path.iterdir()] == [theirs]
