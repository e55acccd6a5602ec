"""Files into plain data with places."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_agent_replay.errors import FormatError
from pytest_agent_replay.formats import loading
from pytest_agent_replay.formats.loading import Document, field_path, load_document, parse_document


def problem(text: str | bytes, path: str = "a.yaml") -> str:
    with pytest.raises(FormatError) as caught:
        parse_document(text, path)
    assert len(caught.value.problems) == 1
    return str(caught.value)


def data(text: str, path: str = "a.yaml") -> Any:
    return parse_document(text, path).data


NOT_JSON = """yes no on True NULL 2024-05-20 2026-02-15T09:12:00Z 12:30 0x1F 0o17 0123 1_000
.5 5. +1 .inf -.inf .nan NaN Infinity 1e --1 1.2.3 ="""


@pytest.mark.parametrize("text", NOT_JSON.split())
def test_what_is_no_json_scalar_is_text(text: str) -> None:
    """Plain scalars that only YAML 1.1 takes for something else stay the text that they are."""
    assert data(f"value: {text}\n") == {"value": text}


@pytest.mark.parametrize("text", ["0", "-1", "42", "1.5", "-0.25", "1e5", "1E-7", "2.5e+3", "true", "false", "null"])
def test_json_scalars_mean_what_json_means(text: str) -> None:
    """Plain JSON numbers and constants have JSON's value and type."""
    found = data(f"value: {text}")["value"]
    expected = json.loads(text)
    assert found == expected
    assert type(found) is type(expected)


def test_nothing_and_tilde_are_null() -> None:
    """A key without a value, and `~`, are null; quotes make text of anything."""
    assert data("a:\nb: ~\nc: ''\nd: 'null'\ne: \"1\"\n") == {"a": None, "b": None, "c": "", "d": "null", "e": "1"}


def test_json_tags_are_allowed() -> None:
    """The tags of JSON's own types say what a scalar is, as long as it can be that."""
    assert data("a: !!str 5\nb: !!int '5'\nc: !!float 3\nd: !!seq [1]\ne: !!map {}\nf: ! 7\n") == {
        "a": "5",
        "b": 5,
        "c": 3.0,
        "d": [1],
        "e": {},
        "f": "7",
    }
    assert problem("a: !!int x") == "a.yaml:1:4: `x` does not fit its tag `!!int`"


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system", "!!binary", "!!timestamp", "!!set", "!include", "!!map"]
)
def test_other_tags_are_refused(tag: str) -> None:
    """A tag that would build something else than plain data is refused at its place."""
    assert problem(f"a: 1\nb: {tag} [x]") == f"a.yaml:2:4: the tag `{tag}` is not allowed: a file holds plain data only"


def test_aliases_are_copies() -> None:
    """What an alias stands for is a value of its own."""
    document = data("a: &x {b: [1]}\nc: *x\n? &k key\n: 1\nd: {*k : 2}\n")
    assert document == {"a": {"b": [1]}, "c": {"b": [1]}, "key": 1, "d": {"key": 2}}
    document["a"]["b"].append(2)
    assert document["c"] == {"b": [1]}


def test_places_behind_aliases_are_known() -> None:
    """What an alias stands for has the places of its anchor, and what follows has its own."""
    document = parse_document("a: &x {b: [1, 2]}\nc: *x\nd: &y [*x, 3]\ne: [*y, 4]\n", "f.yaml")
    assert document.position() == (1, 1)
    assert document.position(("c", "b", 1)) == (1, 15)
    assert document.position(("d", 1)) == (3, 12)
    assert document.position(("e", 0, 0, "b")) == (1, 8)
    assert document.position(("e", 0, 1)) == (3, 12)
    assert document.position(("e", 1)) == (4, 9)


def test_alias_mistakes_are_refused() -> None:
    """An alias needs an anchor before it, and may not stand inside of it."""
    assert problem("a: *x") == "a.yaml:1:4: there is no anchor `&x` before this `*x`"
    assert problem("a: &x [1, *x]") == "a.yaml:1:11: `*x` stands inside of `&x`: that has no end"


def test_alias_bombs_are_refused_before_they_are_built() -> None:
    """Aliases are counted expanded: values, characters and levels."""
    nine = ",".join(["*a{0}"] * 9)
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]", *(f"a{n}: &a{n} [{nine.format(n - 1)}]" for n in range(1, 30))]
    assert "the aliases expand to more than 100,000 values" in problem("\n".join(lines))
    assert "more than 16,777,216 characters" in problem(f"a: &a {'x' * 1_000_000}\nb: [{', '.join(['*a'] * 100)}]")
    deep = "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 120))])
    assert "nested more than 100 levels deep" in problem(deep)


@pytest.mark.parametrize("depth", [101, 100_000])
@pytest.mark.parametrize("opening", ["[", "- ", "{a: ", "[{a: ", "? ", "&a [", "[\n"])
def test_deep_nesting_is_refused(opening: str, depth: int) -> None:
    """Deeper than 100 levels is refused at once, however it is written."""
    started = time.process_time()
    assert "nested more than 100 levels deep" in problem(opening * depth)
    assert time.process_time() - started < 1


def test_a_hundred_levels_are_fine() -> None:
    """The limit itself may be reached, in YAML and JSON."""
    text = "[" * 100 + "]" * 100
    assert data(text) == data(text, "a.json") == json.loads(text)


def test_duplicate_keys_are_refused() -> None:
    """A key that stands twice is refused where it stands the second time."""
    assert problem("a: 1\nb:\n  c: 1\n  c: 2\n") == "a.yaml:4:3: the key `c` stands here twice"
    assert problem('{"a": [{"c": "}", "b": 1,\n"c": 2}]}', "a.json") == "a.json:2:1: the key `c` stands here twice"


@pytest.mark.parametrize("key", ["1", "1.5", "null", "true", "~"])
def test_keys_that_are_no_text_are_refused(key: str) -> None:
    """A key that is no text says how to make it text."""
    assert problem(f"a: 1\n{key}: x") == f'a.yaml:2:1: a key must be text; quote it: "{key}"'


def test_collections_as_keys_are_refused() -> None:
    """A list or mapping is no key."""
    assert problem("? [a]\n: 1") == "a.yaml:1:3: a key must be text, not a mapping or a list"


def test_merge_keys_are_refused() -> None:
    """`<<` is no part of the format; in quotes it is an ordinary key."""
    assert problem("a: &a {}\nb:\n  <<: *a") == "a.yaml:3:3: merge keys (`<<`) are not supported; write the keys out"
    assert data('"<<": 1') == {"<<": 1}


def test_several_documents_are_refused() -> None:
    """A file holds one document."""
    assert problem("a: 1\n---\nb: 2\n") == "a.yaml:2:1: a second document begins here; a file holds one"


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "empty"), (" \n\n", "empty"), ("# only this\n", "nothing but comments"), ("\ufeff", "empty")],
)
def test_empty_files_are_refused(text: str, words: str) -> None:
    """A file without a value says so."""
    assert words in problem(text)


def test_numbers_out_of_bounds_are_refused() -> None:
    """Integers of thousands of digits and floats that overflow are refused, in YAML and JSON."""
    for path in ("a.yaml", "a.json"):
        assert problem(f"[1, {'9' * 5000}]", path) == (
            f"{path}:1:5: a number of 5,000 digits; at most 4,300 are read. If it is text, quote it"
        )
        assert (
            problem("[1e999]", path)
            == f"{path}:1:2: the number 1e999 is too large for a float; if it is text, quote it"
        )
        assert data(f"[{'9' * 4300}]", path) == [int("9" * 4300)]


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_json_files_hold_json_only(name: str) -> None:
    """The constants that Python's JSON parser takes are refused at their place."""
    assert (
        problem(f'{{"a": ["NaN",\n {name}]}}', "a.json")
        == f"a.json:2:2: `{name}` is not a JSON value; use null, or a string"
    )


def test_json_syntax_errors_have_a_place() -> None:
    """A JSON file's syntax error stands at its line and column."""
    assert problem('{"a": 1,\n "b" 2}', "a.JSON") == "a.JSON:2:6: not valid JSON: expecting ':' delimiter"
    assert problem('{"a": "x}', "a.json").endswith("1:7: not valid JSON: unterminated string starting at this place")


def test_halves_of_surrogate_pairs_are_refused() -> None:
    """What cannot be written as UTF-8 is no text; a whole pair is."""
    assert "a.json:1:7: half of a surrogate pair" in problem('{"a": "\\ud83d"}', "a.json")
    assert data('["\\ud83d\\ude00"]', "a.json") == ["😀"]
    assert problem("a: \ud800") == "a.yaml:1:4: half of a surrogate pair is not text"


def test_encodings() -> None:
    """UTF-8 with or without a mark is read; another encoding is named with the line and the byte where it shows."""
    assert parse_document("\ufeffa: é".encode(), "a.yaml").data == {"a": "é"}
    assert problem("a: ü\nbé: é".encode() + b"\xe9x") == "a.yaml:2:6: byte 0xE9 is not UTF-8; save the file as UTF-8"
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        assert "save it as UTF-8" in problem("id: a".encode(encoding))


@pytest.mark.parametrize("character", ["\0", "\x01", "\x1b", "\x7f"])
def test_control_characters_are_refused(character: str) -> None:
    """A control character is named with its place; as an escape in quotes it is text."""
    message = problem(f"é: 1\nb: x{character}")
    assert message.startswith(f"a.yaml:2:5: the character U+{ord(character):04X} may not stand in a file")
    assert data(f'b: "\\x{ord(character):02x}"') == {"b": character}


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("a:\n\tb: 1", "2:1", "a tab may not indent"),
        ("a: b: c", "1:5", "needs quotes"),
        ("a: @x", "1:4", "needs quotes"),
        ('a: "x', "1:4", "is not closed"),
        ("a: [1, 2", "1:9", ""),
        ("a: b\n c: d\n  e", "2:3", ""),
        ("id: a\ninput x\noutput: y\n", "2:1", "is a `:` or an indentation missing?"),
        ('id: a\nname: "abc\ninput: x\n', "2:7", "the quote that opens here is not closed"),
        ("tags: [a, b\ninput: x\n", "2:6", "what was opened at 1:7 is not closed, or a comma is missing"),
        ("id: a\ninput: abc\u2028def\n", "2:12", "the character U+2028 before it ends a line"),
        ('path: "C:\\path"\n', "1:10", "is doubled in double quotes"),
    ],
)
def test_syntax_errors_have_a_place_and_a_hint(text: str, place: str, hint: str) -> None:
    """A YAML syntax error stands at its line and column and says what usually is the matter."""
    message = problem(text)
    assert message.startswith(f"a.yaml:{place}: not valid YAML: ")
    assert hint in message


YAML_TEXT = """\
# a comment
id: x
tool_responses:
  - tool: a
    response: {x: 1, "y": [1, 2, {z: 3}]}
  - &q {tool: b, status: abc}
  - *q
last: |
  two
  lines
"""
JSON_TEXT = '{\n "a": [1, {"b": "x]{"}, [], {}],\n "é": "\\"[", "c": true}'


@pytest.mark.parametrize(
    ("loc", "place"),
    [
        ((), (2, 1)),
        (("id",), (2, 1)),
        (("tool_responses",), (3, 1)),
        (("tool_responses", 0), (4, 5)),
        (("tool_responses", 0, "response"), (5, 5)),
        (("tool_responses", 0, "response", "y", 1), (5, 31)),
        (("tool_responses", 0, "response", "y", 2, "z"), (5, 35)),
        (("tool_responses", 1, "status"), (6, 18)),
        (("tool_responses", 2, "status"), (6, 18)),
        (("last",), (8, 1)),
        (("missing",), (2, 1)),
        (("tool_responses", 1, "missing", "deeper"), (6, 5)),
        (("tool_responses", 9), (3, 1)),
        (("id", 0), (2, 1)),
    ],
)
def test_places_in_yaml(loc: tuple[Any, ...], place: tuple[int, int]) -> None:
    """A value stands at its key, or its item; what is missing, at its nearest parent; an alias, at what it names."""
    assert parse_document(YAML_TEXT, "a.yaml").position(loc) == place


@pytest.mark.parametrize(
    ("loc", "place"),
    [
        ((), (1, 1)),
        (("a",), (2, 2)),
        (("a", 1, "b"), (2, 12)),
        (("a", 2), (2, 25)),
        (("a", 3), (2, 29)),
        (("c",), (3, 14)),
    ],
)
def test_places_in_json(loc: tuple[Any, ...], place: tuple[int, int]) -> None:
    """Places in a JSON file are found when one is asked for, whatever its strings contain."""
    assert parse_document(JSON_TEXT, "a.json").position(loc) == place


def test_places_count_lines_as_editors_do() -> None:
    """Line separators inside of text are no lines of the file; CRLF is one."""
    document = parse_document('a: "x\u2028y\x85z"\r\nb: 1\r\nc:\r\n- 2\r\n', "a.yaml")
    assert document.position(("b",)) == (2, 1)
    assert document.position(("c", 0)) == (4, 3)


def test_problems_name_the_field() -> None:
    """A problem has the file, the place and the field's path as users write it."""
    document = parse_document(YAML_TEXT, "replays/a.yaml")
    text = str(document.problem(("tool_responses", 1, "status"), "must be a number"))
    assert text == "replays/a.yaml:6:18: tool_responses[1].status: must be a number"
    assert field_path(("a", 0, 1, "b")) == "a[0][1].b"
    assert len(field_path(("x" * 1000,))) < 100


def test_at_finds_values() -> None:
    """`at` gives the value of a place, and a lookup error for what is not there."""
    document = parse_document(YAML_TEXT, "a.yaml")
    assert document.at(("tool_responses", 0, "response", "y", 2)) == {"z": 3}
    with pytest.raises(LookupError):
        document.at(("tool_responses", 7))


def test_more_values_than_a_yaml_file_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of values of a YAML file is bounded, because reading them takes time."""
    monkeypatch.setattr(loading, "MAX_NODES", 100)
    assert "more than 100 values" in problem(f"[{'1, ' * 100}]")
    assert len(data(f"[{'1, ' * 99}]")) == 99


def test_the_pure_parser_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without libyaml the same files are read, with the same places, and the same ones are refused."""
    texts = [YAML_TEXT, "a: 1\n---\nb: 1", "[" * 200, "a: \x01", "a: [1", "é: &a [*a]", "", '"\\ud800"', "a:\n\tb: 1"]

    def read(text: str) -> Any:
        try:
            document = parse_document(text, "a.yaml")
        except FormatError as error:
            return [(problem.line, problem.column) for problem in error.problems]
        return document.data, [document.position(("tool_responses", n)) for n in range(3)]

    fast = [read(text) for text in texts]
    monkeypatch.setattr(loading, "_EVENT_LOADER", yaml.SafeLoader)
    pure = [read(text) for text in texts]
    for text, one, other in zip(texts, fast, pure, strict=True):
        assert one == other or (isinstance(one, list) and isinstance(other, list)), text


def test_files_are_loaded(tmp_path: Path) -> None:
    """A file's suffix says what it is; messages have the path that was given for them."""
    (tmp_path / "a.yaml").write_text("a: 2024-05-20", encoding="utf-8")
    (tmp_path / "b.json").write_text('{"a": 1}', encoding="utf-8")
    assert load_document(tmp_path / "a.yaml").data == {"a": "2024-05-20"}
    assert load_document(tmp_path / "b.json").data == {"a": 1}
    assert load_document(tmp_path / "a.yaml").path == str(tmp_path / "a.yaml")
    assert load_document(tmp_path / "a.yaml", display="x/a.yaml").path == "x/a.yaml"


def unreadable(path: Path, **options: Any) -> str:
    with pytest.raises(FormatError) as caught:
        load_document(path, display="shown", **options)
    return str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """What is no readable file is one clear error, at once."""
    assert unreadable(tmp_path) == "shown: this is a directory, not a file"
    assert unreadable(tmp_path / "none.yaml").startswith("shown: cannot be read: No such file")
    assert "embedded null" in unreadable(tmp_path / "a\0b")
    assert unreadable(tmp_path / ("x" * 5000)).startswith("shown: cannot be read: ")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_special_files_do_not_hang(tmp_path: Path) -> None:
    """Pipes and devices are refused without being opened."""
    os.mkfifo(tmp_path / "pipe.yaml")
    assert unreadable(tmp_path / "pipe.yaml") == "shown: this is a device, pipe or socket, not a file"
    assert unreadable(Path("/dev/zero")) == "shown: this is a device, pipe or socket, not a file"


def test_files_over_the_limit_are_not_read(tmp_path: Path) -> None:
    """A file that is too large is refused with its size, the limit, and what changes that."""
    (tmp_path / "a.yaml").write_bytes(b"a" * 2001)
    message = unreadable(tmp_path / "a.yaml", max_size=2000)
    assert message.startswith("shown: the file has 2,001 bytes, more than the 2,000 allowed; ")
    assert "`replay_max_file_size`" in message
    assert load_document(tmp_path / "a.yaml", max_size=2001).data == "a" * 2001


def test_documents_have_their_text() -> None:
    """A document keeps the text that it was read from, without a byte order mark."""
    document = parse_document(b"\xef\xbb\xbfa: 1", "a.yaml")
    assert isinstance(document, Document)
    assert document.text == "a: 1"
    assert document.position(("a",)) == (1, 1)
