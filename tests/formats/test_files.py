"""Replay files as sessions."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_agent_replay.errors import FormatError
from pytest_agent_replay.formats.files import LoadedReplay, is_replay_path, load_replays, resolve_reference
from pytest_agent_replay.formats.loading import load_document
from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.formats.validation import Placed


def put(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def load(root: Path, name: str, text: str) -> LoadedReplay:
    (only,) = load_replays(put(root, name, text), root=root)
    return only


def refused(root: Path, name: str, text: str) -> str:
    with pytest.raises(FormatError) as caught:
        load_replays(put(root, name, text), root=root)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("a.replay.yaml", "a"),
        ("b.c.replay.yml", "b.c"),
        ("d.REPLAY.json", "d"),
        ("e.yaml", "e"),
        ("f[1]::g.replay.yaml", "f-1--g"),
        (".replay.yaml", ".replay"),
    ],
)
def test_the_id_is_the_stem_by_default(tmp_path: Path, name: str, id_: str) -> None:
    """Without an `id`, the file's name without its suffixes names the test, made selectable."""
    text = '{"input": "x"}' if name.lower().endswith("json") else "input: x"
    assert load(tmp_path, name, text).id == id_


def test_what_is_loaded(tmp_path: Path) -> None:
    """A loaded session has the model, its id, and where it stands."""
    loaded = load(tmp_path, "sub/a.replay.yaml", "# comment\n\nid: given\ninput: x\n")
    assert loaded.id == "given"
    assert loaded.replay.input == "x"
    assert loaded.path == tmp_path / "sub" / "a.replay.yaml"
    assert loaded.display == str(Path("sub") / "a.replay.yaml")
    assert loaded.line == 3
    assert loaded.directories == (tmp_path / "sub",)
    assert loaded.data == {"id": "given", "input": "x"}


def test_names_that_are_collected() -> None:
    """The three suffixes are replay files, in any case; others are not."""
    assert all(is_replay_path(Path(f"x/a{suffix}")) for suffix in (".replay.yaml", ".replay.yml", ".Replay.JSON"))
    assert not any(
        is_replay_path(Path(name)) for name in ("a.yaml", "replay.yaml", "a.replay.yaml.bak", "a.replay.txt")
    )


def test_the_path_in_messages(tmp_path: Path) -> None:
    """Messages have the path from the root, or the one that the caller gives."""
    assert refused(tmp_path, "sub/a.replay.yaml", "inptu: x").startswith(str(Path("sub") / "a.replay.yaml") + ":1:1: ")
    with pytest.raises(FormatError, match=r"^here\.yaml:1:1: "):
        load_replays(tmp_path / "sub" / "a.replay.yaml", root=tmp_path, display="here.yaml")


def test_problems_after_loading_have_their_place(tmp_path: Path) -> None:
    """A problem that shows later stands at its line and column; when the file is gone, at the session's line."""
    loaded = load(tmp_path, "a.replay.yaml", "input: x\ntool_responses:\n  - tool: a\n    status: 504\n")
    loc = ("tool_responses", 0, "status")
    assert str(loaded.problem(loc, "no")) == "a.replay.yaml:4:5: tool_responses[0].status: no"
    place: Placed = loaded.place()
    assert place.path == "a.replay.yaml"
    assert place.position(loc) == (4, 5)
    assert place.at(loc) == 504
    loaded.path.unlink()
    assert str(loaded.problem(loc, "no")) == "a.replay.yaml:1:1: tool_responses[0].status: no"
    assert loaded.place().position(loc) == (1, 1)


def test_a_packed_session_comes_back_equal(tmp_path: Path) -> None:
    """Packing keeps everything, and its file is not needed to unpack it."""
    text = "id: a\ntags: [x, y]\ninput: {n: 1.5, t: [null, true, é]}\nforks: [{name: f, input: y}]\nimport: {k: 1}\n"
    loaded = load(tmp_path, "a.replay.yaml", text)
    packed = loaded.packed()
    loaded.path.unlink()
    assert (packed.id, packed.line, packed.tags, packed.forks) == ("a", 1, ("x", "y"), ("f",))
    assert (packed.path, packed.display) == (loaded.path, "a.replay.yaml")
    again = packed.unpacked()
    assert again == loaded
    assert again.replay.given("import_")
    assert not again.replay.given("output")


@pytest.mark.parametrize("size", [10, 5_000])
def test_a_session_is_unpacked_anew_each_time(tmp_path: Path, size: int) -> None:
    """What an agent does to the replay that it was given is not seen in the next attempt."""
    packed = load(tmp_path, "a.replay.yaml", f"input: {{t: {'x' * size}}}").packed()
    first = packed.unpacked()
    first.replay.input["more"] = first.data["more"] = 1
    again = packed.unpacked()
    assert again.replay.input == again.data["input"] == {"t": "x" * size}
    assert "more" not in again.data


def test_a_packed_session_is_small(tmp_path: Path) -> None:
    """A collected session of 5 kB takes about as much memory as its file."""
    recording = (
        "  - {tool: market_data, args: {ticker: T%d}, response: {rows: [1.5, 2], note: 'reset by peer'}, status: 200}\n"
    )
    text = "input: x\ntool_responses:\n" + "".join(recording % n for n in range(48))
    assert 4500 < len(text) < 5500
    paths = [put(tmp_path, f"r{n}.replay.yaml", text) for n in range(50)]
    load_replays(paths[0], root=tmp_path)
    tracemalloc.start()
    try:
        kept = [load_replays(path, root=tmp_path)[0].packed() for path in paths]
        assert tracemalloc.get_traced_memory()[0] / len(kept) < 10_000
    finally:
        tracemalloc.stop()


def test_every_file_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading, packing and unpacking read a file one time, also a file of recordings that is named twice."""
    read: list[str] = []

    def counted(path: Path, **options: Any) -> Any:
        read.append(path.name)
        return load_document(path, **options)

    monkeypatch.setattr("pytest_agent_replay.formats.files.load_document", counted)
    monkeypatch.setattr("pytest_agent_replay.formats.recorded.load_document", counted)
    put(tmp_path, "rec.yaml", RECORDED)
    entry = "tool_responses: [{responses: rec.yaml}, {responses: rec.yaml}]"
    load(tmp_path, "a.replay.yaml", f"input: x\n{entry}").packed().unpacked()
    assert read == ["a.replay.yaml", "rec.yaml"]


RECORDED = """\
responses:
- response:
    auto_calculate_content_length: false
    body: '{"price": 4.2}'
    content_type: application/json
    method: GET
    status: 200
    url: https://api.example.com/v1/quote?tag=a&q=ACME&tag=b#top
- response:
    body: ''
    headers:
      Retry-After: '5'
    method: POST
    status: 503
    url: https://api.example.com/v1/order
"""


def test_recorded_responses_become_recordings(tmp_path: Path) -> None:
    """`{responses: path}` among the recordings stands for what that file recorded, as HTTP tools."""
    put(tmp_path, "sub/rec.yaml", RECORDED)
    text = "input: x\ntool_responses:\n  - tool: a\n  - responses: ./rec.yaml\n    x-why: because\n  - tool: b\n"
    responses = load(tmp_path, "sub/a.replay.yaml", text).replay.tool_responses
    assert [response.tool for response in responses] == [
        "a",
        "GET https://api.example.com/v1/quote",
        "POST https://api.example.com/v1/order",
        "b",
    ]
    assert responses[1].args == {"tag": ["a", "b"], "q": "ACME"}
    assert responses[1].response == '{"price": 4.2}'
    assert responses[1].headers == {"Content-Type": "application/json"}
    assert (responses[2].args, responses[2].response, responses[2].status) == (None, "", 503)
    assert responses[2].headers == {"Retry-After": "5"}


def test_recordings_may_be_pulled_into_turns_and_forks(tmp_path: Path) -> None:
    """Wherever recordings stand, a file of them can be named."""
    put(tmp_path, "rec.yaml", RECORDED)
    pull = "tool_responses: [{responses: rec.yaml}]"
    text = f"turns: [{{input: x, {pull}}}]\nforks: [{{name: f, {pull}}}]\n"
    replay = load(tmp_path, "a.replay.yaml", text).replay
    assert len(replay.turn_list[0].tool_responses) == 2
    assert replay.forks[0].tool_responses is not None
    assert len(replay.forks[0].tool_responses) == 2


def test_places_behind_pulled_in_recordings(tmp_path: Path) -> None:
    """Entries after a pulled-in file keep their own places; those of the file stand where it is named."""
    put(tmp_path, "rec.yaml", RECORDED)
    text = "input: x\ntool_responses:\n  - responses: rec.yaml\n  - tool: b\n    status: 200\n"
    loaded = load(tmp_path, "a.replay.yaml", text)
    assert loaded.problem(("tool_responses", 2, "status"), "m").line == 5
    assert loaded.problem(("tool_responses", 1, "status"), "m").line == 3
    bad = text.replace("200", "9")
    assert refused(tmp_path, "b.replay.yaml", bad).startswith("b.replay.yaml:5:5: tool_responses[1].status: 9 is no")


def test_what_the_library_records_loads(tmp_path: Path) -> None:
    """A file written by the recorder of the installed `responses` library is understood."""
    recorder_module = pytest.importorskip("responses._recorder")
    responses = pytest.importorskip("responses")
    recorder = recorder_module.Recorder()
    with recorder:
        recorder.get_registry().add(
            responses.Response("GET", "https://h.example/p?a=1", body="two\nlines: é", status=404, headers={"X-A": "b"})
        )
        recorder.get_registry().add(
            responses.Response("PUT", "https://h.example/q", json={"a": [1]}, headers={"X-C": "d"})
        )
        recorder.dump_to_file(tmp_path / "rec.yaml")
    assert yaml.safe_load((tmp_path / "rec.yaml").read_text())["responses"]
    first, second = load(
        tmp_path, "a.replay.yaml", "input: x\ntool_responses: [{responses: rec.yaml}]"
    ).replay.tool_responses
    assert (first.tool, first.args, first.response, first.status) == (
        "GET https://h.example/p",
        {"a": "1"},
        "two\nlines: é",
        404,
    )
    assert first.headers is not None
    assert first.headers["X-A"] == "b"
    assert (second.tool, second.response) == ("PUT https://h.example/q", '{"a": [1]}')


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{responses: ../rec.yaml}", "a.replay.yaml:3:6: tool_responses[0].responses: `../rec.yaml` leads out of"),
        ("{responses: /etc/passwd}", "a.replay.yaml:3:6: tool_responses[0].responses: `/etc/passwd` leads out of"),
        ("{responses: 5}", "a.replay.yaml:3:6: tool_responses[0].responses: must be the path of a file"),
        ('{responses: "a\\0b"}', "a.replay.yaml:3:6: tool_responses[0].responses: `a\0b` is not a usable path"),
        ("{responses: none.yaml}", "a.replay.yaml:3:6: tool_responses[0].responses: there is no file `none.yaml`"),
        ("{responses: wrong.yaml}", "wrong.yaml:3:5: responses[0].response.metod: unknown key `metod`; did you mean"),
        ("{responses: x.yaml, status: 5}", "a.replay.yaml:3:25: tool_responses[0].status: unknown key `status`"),
    ],
)
def test_recordings_that_cannot_be_pulled_in(tmp_path: Path, entry: str, message: str) -> None:
    """Paths out of the root, missing files, and files of another shape are mistakes with a place."""
    put(tmp_path, "wrong.yaml", "responses:\n- response:\n    metod: GET\n    method: GET\n    url: https://h/p\n")
    assert refused(tmp_path, "a.replay.yaml", f"input: x\ntool_responses:\n  - {entry}\n").startswith(message)


def test_too_many_recordings(tmp_path: Path) -> None:
    """A few lines cannot pull in recordings without end."""
    put(tmp_path, "rec.yaml", RECORDED)
    entries = "".join("  - responses: rec.yaml\n" for _ in range(6000))
    assert "more than 10,000 recordings" in refused(tmp_path, "a.replay.yaml", f"input: x\ntool_responses:\n{entries}")


def test_references_stay_inside_of_the_root(tmp_path: Path) -> None:
    """A reference is followed through links, and may not end outside."""
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "out").symlink_to(tmp_path)
    (root / "loop").symlink_to("loop")
    assert resolve_reference("../x.yaml", root / "sub", root) == (root / "x.yaml").resolve()
    assert resolve_reference(str(root / "y.yaml"), root / "sub", root) == (root / "y.yaml").resolve()
    for text in ("../../x.yaml", "../out/x.yaml", str(tmp_path / "z")):
        with pytest.raises(ValueError, match="leads out of"):
            resolve_reference(text, root / "sub", root)
    with pytest.raises(ValueError, match="is not a usable path"):
        resolve_reference("a\0b", root, root)


def test_one_bad_file_is_one_error(tmp_path: Path) -> None:
    """A file that is no replay file says what it should be."""
    assert refused(tmp_path, "a.replay.yaml", "- a\n- b\n") == "a.replay.yaml:1:1: must be a mapping, not a list"
    assert refused(tmp_path, "b.replay.json", "[") == "b.replay.json:1:2: not valid JSON: expecting value"
    with pytest.raises(FormatError, match="more than the 3 allowed"):
        load_replays(put(tmp_path, "c.replay.yaml", "input: x"), root=tmp_path, max_size=3)


def test_a_session_is_a_replay_file(tmp_path: Path) -> None:
    """The model is the one that everything else uses."""
    assert isinstance(load(tmp_path, "a.replay.yaml", "input: x").replay, ReplayFile)


@pytest.mark.parametrize(
    ("parent", "message"),
    [
        ("./one.replay.yaml", "there is no file `./one.replay.yaml`"),
        ("../one.replay.yaml", "`../one.replay.yaml` leads out of"),
    ],
)
def test_the_file_that_a_fork_names_must_be_there(tmp_path: Path, parent: str, message: str) -> None:
    """A `parent` that does not exist, or lies outside of the root, is a mistake with a place."""
    text = f"input: x\nparent: {parent}\n"
    assert refused(tmp_path, "a.replay.yaml", text).startswith(f"a.replay.yaml:2:1: parent: {message}")
    put(tmp_path, "b.replay.yaml", "input: x\n")
    assert load(tmp_path, "a.replay.yaml", "input: x\nparent: ./b.replay.yaml\n").replay.parent == "./b.replay.yaml"
