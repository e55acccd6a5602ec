"""Files that nobody should write: mutated and hostile replay files and contracts, the same ones for the same seed.

`python -m tests.formats.hostile 20000` loads so many and prints a table by kind. Whatever is neither loaded nor refused
with a clear error, takes more than a second of CPU, or executes something, is a failure.
"""

from __future__ import annotations

import argparse
import copy
import faulthandler
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from pytest_agent_replay.agents.load import load_agent
from pytest_agent_replay.contracts.resolve import ContractFinder
from pytest_agent_replay.errors import FormatError, ReplayError
from pytest_agent_replay.formats.files import LoadedReplay, load_replays
from pytest_agent_replay.formats.loading import parse_document
from pytest_agent_replay.formats.writing import dump_yaml, replay_to_data

LIMIT_S = 3.0
"""Of CPU time, so that a busy machine does not count."""
HANG_S = 20.0
MAX_SIZE = 1024 * 1024
CANARY = "canary"

REPLAYS: list[dict[str, Any]] = [
    {
        "version": 1,
        "id": "incident",
        "name": "Figure made up: nobody gave it",
        "source": {"type": "manual", "imported_at": "2026-02-16"},
        "captured_at": "2026-02-15T09:12:00Z",
        "tags": ["finance", "sev1"],
        "context": "You are a careful analyst.\nSay so when you do not know.\n",
        "input": "What was the revenue in the third quarter?",
        "tool_responses": [
            {"tool": "market_data_api", "response": None, "status": 504, "latency_ms": 30000},
            {"tool": "web_search", "args": {"q": "revenue"}, "response": "Connection reset by peer", "status": 0},
            {"tool": "GET https://api.example.com/v1/quote*", "response": {"rows": [1.5, 2, {"deep": [True, None]}]}},
        ],
        "output": "It was 4.2 million dollars.",
        "expected_failure": "The figure was made up",
        "matching": {"args": "subset", "tools": {"web_search": {"order": "strict"}}},
        "clock": "captured_at",
        "x-owner": "somebody",
    },
    {
        "id": "conversation",
        "turns": [
            {"output": "Hello, how can I help?"},
            {"input": "Exchange my keyboard.", "output": "Your name?", "started_at": "2026-02-15T09:12:00Z"},
            {
                "input": "Ada, 12345.",
                "tool_responses": [{"tool": "find_user", "args": {"zip": "12345"}, "error": {"type": "ValueError"}}],
                "ended": "after_tool",
            },
        ],
        "unanswered": "Thanks",
        "forks": [{"name": "other", "at_turn": 2, "input": "Nothing."}, {"name": "big", "overrides": {"model": "m"}}],
        "scores": {"reward": 0.0},
    },
    {
        "id": "model",
        "input": ["any", {"json": "value"}],
        "llm_responses": [
            {"model": "m", "content": "Let me look.", "tool_calls": [{"id": "c1", "name": "t", "args": {"a": 1}}]},
            {"content": "Not known.", "usage": {"input_tokens": 245, "output_tokens": 18}, "latency_ms": 2140},
            {"status": 429, "error": "rate limit", "headers": {"retry-after-ms": "1"}},
        ],
        "tools": {"t": "my_app.tools:t", "u": {"route": "GET https://example.com/u", "match": {"header": {"a": "b"}}}},
    },
]

CONTRACTS: list[dict[str, Any]] = [
    {
        "name": "Careful",
        "description": "Holds under all conditions",
        "invariants": [
            {"id": "grounded", "type": "grounded_numbers", "when": "tool_faults_active", "severity": "critical"},
            {"type": "tool_called", "tool": "market_data_api", "max": 3, "args": {"q": "revenue"}},
            {"type": "regex", "pattern": "(?i)(source|according to)", "turn": "all", "negate": True},
            {"type": "contains_any", "values": ["unknown", "not available"], "when": {"tool_failed": "web_search"}},
        ],
    },
    {
        "name": "Order",
        "invariants": [
            {"type": "trajectory", "tools": ["find_user", {"tool": "exchange", "args": {"n": 1}}], "mode": "subset"},
            {"type": "tool_order", "before": "find_user", "after": "exchange"},
            {"type": "json_schema", "schema": {"type": "object", "properties": {"a": {"type": "integer"}}}},
            {"type": "latency", "max_ms": 3000},
            {"type": "similarity", "expected": "Sorry", "threshold": 0.5},
        ],
    },
]

CODE = [
    "!!python/object/apply:os.system ['touch {canary}']",
    "!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{canary}']]",
    "!!python/object/new:os.system ['touch {canary}']",
    "!!python/object/apply:builtins.exec [\"open('{canary}', 'w')\"]",
    "!!python/name:os.system",
    "!!python/module:antigravity",
    "!!python/tuple [1, 2]",
    "!!binary aGVsbG8=",
    "!!timestamp 2026-02-15",
    "!!set {{a: null}}",
    "!!omap [a: 1]",
    "!include /etc/passwd",
    "!<tag:example.com,2026:thing> {{a: 1}}",
]
PATHS = [
    "../../../../etc/passwd",
    "/etc/passwd",
    "/dev/zero",
    "/proc/self/environ",
    "./loop.yaml",
    "./outside.yaml",
    "a\0b.yaml",
    "x" * 5000,
    f"./{'x' * 5000}.yaml",
    "~/.ssh/id_rsa",
    "file:///etc/passwd",
    "..\\..\\windows\\win.ini",
    ".",
    "..",
    "./missing.yaml",
]
REFERENCES = [
    "os:system",
    "subprocess:run",
    "builtins:eval",
    "posix:system",
    "importlib:import_module",
    "canary_module:run",
    "../canary_module.py:run",
    "os:path.os.system",
    "http://169.254.169.254/latest",
    {"endpoint": "http://198.51.100.7/${HOME}"},
    {"endpoint": "os:system", "path": "/"},
    {"endpoint": 5},
    "a:b:c",
    ":",
    " ",
    "os.system",
]


@dataclass(frozen=True)
class Case:
    """One file. `is_contract`: it is the contract that an ordinary replay file names."""

    kind: str
    suffix: str
    content: bytes
    is_contract: bool


Maker = Callable[[Random, dict[str, Any]], "tuple[str, bytes]"]


def _text(rng: Random, data: Any) -> tuple[str, str]:
    if rng.random() < 0.3:
        return "json", json.dumps(data, ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, 1]))
    return "yaml", dump_yaml(data)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _spots(value: Any, loc: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*loc, key)
        if isinstance(item, (dict, list)):
            yield from _spots(item, (*loc, key))


def _changed(rng: Random, data: dict[str, Any], change: Callable[[Any, Any], None]) -> dict[str, Any]:
    data = copy.deepcopy(data)
    *parents, last = rng.choice(list(_spots(data)))
    owner: Any = data
    for step in parents:
        owner = owner[step]
    change(owner, last)
    return data


def _any_value(rng: Random) -> Any:
    return rng.choice(
        [
            None,
            True,
            0,
            -1,
            3.5,
            10**30,
            1e300,
            "",
            "x",
            "\0",
            "\ud7ff",
            [],
            {},
            [None],
            {"a": 1},
            [[1], {}],
            " ",
            "x" * 99,
        ]
    )


def swapped_type(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    for _ in range(rng.randint(1, 4)):
        new = _any_value(rng)

        def put(owner: Any, key: Any, new: Any = new) -> None:
            owner[key] = new

        data = _changed(rng, data, put)
        if not data:
            break
    suffix, text = _text(rng, data)
    return suffix, _encoded(text)


def renamed_key(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    def rename(owner: Any, key: Any) -> None:
        if isinstance(owner, dict):
            typo = key[:-1] if rng.random() < 0.5 else key + rng.choice("xs_-é\n")
            owner[typo] = owner.pop(key)

    suffix, text = _text(rng, _changed(rng, data, rename))
    return suffix, _encoded(text)


def removed(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    def remove(owner: Any, key: Any) -> None:
        del owner[key]

    suffix, text = _text(rng, _changed(rng, data, remove))
    return suffix, _encoded(text)


def truncated(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    suffix, text = _text(rng, data)
    content = _encoded(text)
    return suffix, content[: rng.randrange(len(content))]


def flipped_bytes(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    suffix, text = _text(rng, data)
    content = bytearray(_encoded(text))
    for _ in range(rng.choice([1, 1, 2, 5, 50])):
        content[rng.randrange(len(content))] = rng.choice([rng.randrange(256), *b"\0\t\n :-#[]{}&*!|>'\"%@`?,~"])
    return suffix, bytes(content)


def shuffled_lines(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    lines = dump_yaml(data).splitlines(keepends=True)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(lines))
        what = rng.choice(["drop", "twice", "indent", "tab", "swap"])
        if what == "drop" and len(lines) > 1:
            del lines[at]
        elif what == "twice":
            lines.insert(at, lines[at])
        elif what == "swap":
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        else:
            lines[at] = (" " if what == "indent" else "\t") + lines[at]
    return "yaml", _encoded("".join(lines))


def deep_nesting(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    depth = rng.choice([90, 99, 100, 101, 150, 1000, 20_000, 100_000])
    opened, closed = rng.choice(
        [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", ""), ("[{a: ", "}]"), ("[\n", "]"), ("&a [", "]")]
    )
    core = opened * depth + "x" + (closed * depth if rng.random() < 0.7 else "")
    if rng.random() < 0.3:
        return "json", _encoded(
            '{"id": "a", "input": ' + '{"a": ' * depth + "[" * depth + "]" * depth + "}" * depth + "}"
        )
    if rng.random() < 0.3:
        lines = "".join(f"{' ' * level}a:\n" for level in range(min(depth, 1000)))
        return "yaml", _encoded(lines)
    return "yaml", _encoded(f"id: a\ninput:\n  {core}\n" if rng.random() < 0.7 else core)


def alias_bomb(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    width, levels = rng.choice([(2, 60), (9, 9), (50, 5), (1000, 3), (1, 150), (10, 4)])
    seed = rng.choice(["[x, y]", "{a: 1}", "x", '"' + "x" * 10_000 + '"'])
    lines = [f"x-0: &a0 {seed}"]
    for level in range(1, levels):
        inside = ", ".join([f"*a{level - 1}"] * width)
        lines.append(f"x-{level}: &a{level} [{inside}]")
    lines.append(f"id: bomb\ninput: *a{levels - 1}\nname: n\ninvariants: []")
    return "yaml", _encoded("\n".join(lines) + "\n")


def cyclic_alias(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    text = rng.choice(
        [
            "&a [*a]",
            "&a {b: *a}",
            "id: c\ninput: &a [1, {x: *a}]",
            "input: &a\n  - &b [*a]\n  - *b",
            "*a",
            "&a *a",
            "a: &a\nb: *a\n*a : c",
        ]
    )
    return "yaml", _encoded(text)


def python_tags(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    code = rng.choice(CODE).format(canary=CANARY)
    lines = dump_yaml(data).splitlines()
    at = rng.randrange(len(lines) + 1)
    lines.insert(at, rng.choice([f"input: {code}", f"x-code: {code}", f"? {code}\n: 1", f"- {code}"]))
    if rng.random() < 0.3:
        return "yaml", _encoded(code)
    return "yaml", _encoded("\n".join(lines))


def huge_scalar(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    size = rng.choice([1000, 5000, 100_000, 900_000, MAX_SIZE + 1])
    piece = rng.choice(
        [
            "9" * size,
            "1e" + "9" * size,
            "-" + "1" * size + ".5",
            '"' + "x" * size + '"',
            "a " * (size // 2),
            "0." + "3" * size,
        ]
    )
    place = rng.choice(["input", "latency_ms", "x-y", "version", "id", "name"])
    if rng.random() < 0.3:
        return "json", _encoded('{"id": "a", "' + place + '": ' + piece + "}")
    return "yaml", _encoded(f"{place}: {piece}\n")


def huge_key(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    key = rng.choice(["k" * 1023, "k" * 1025, "k" * 500_000, "1" * 5000, "é" * 2000])
    text = rng.choice([f"{key}: 1", f"? {key}\n: 1", f'"{key}": 1', f"input: {{{key}: 1}}", f"{key}"])
    if rng.random() < 0.3:
        return "json", _encoded(json.dumps({"id": "a", "input": 1, key: 1}))
    return "yaml", _encoded(text)


def many_items(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    count = rng.choice([1000, 20_000])
    text = rng.choice(
        [
            "id: a\ninput: x\ntags: [" + "1, " * count + "]\n",
            "id: a\ninput: x\n" + "".join(f"key{n}: 1\n" for n in range(count // 10)),
            "id: a\ninput: x\ntool_responses:\n" + "- {tool: a, nope: 1}\n" * (count // 10),
            "name: a\ninvariants:\n" + "- {type: nope}\n" * (count // 10),
            "id: a\ninput: [" + "[]," * count + "]\n",
            "#" * count + "\n" + "\n" * count,
        ]
    )
    return "yaml", _encoded(text)


def control_characters(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    suffix, text = _text(rng, data)
    character = rng.choice(
        ["\0", "\x01", "\x1b", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffe", "\ud800", "\U0010ffff", "\u202e"]
    )
    at = rng.randrange(len(text) + 1)
    return suffix, _encoded(text[:at] + character + text[at:])


def wrong_encoding(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    suffix, text = _text(rng, {**data, "name": "café œuvre — 你好"})
    encoding = rng.choice(
        ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "utf-7", "utf-8-sig", "cp037"]
    )
    return suffix, text.encode(encoding, "replace")


def random_bytes(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    content = rng.randbytes(rng.choice([0, 1, 2, 3, 10, 100, 5000]))
    return rng.choice(["yaml", "json"]), content


def binary_file(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    start = rng.choice(
        [
            b"\x7fELF\x02\x01\x01\0",
            b"\x1f\x8b\x08\0",
            b"PK\x03\x04",
            b"\x89PNG\r\n\x1a\n",
            b"%PDF-1.7\n",
            b"\xca\xfe\xba\xbe",
        ]
    )
    return rng.choice(["yaml", "json"]), start + rng.randbytes(rng.randrange(2000))


def random_yaml(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    pieces = [
        "- ",
        "a: ",
        "? ",
        ": ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "&a ",
        "*a",
        "!!str ",
        "! ",
        "|\n",
        ">-\n",
        "'",
        '"',
        "#",
        "\n",
        "  ",
        "\t",
        "1",
        "null",
        "%YAML 1.2\n",
        "---\n",
        "...\n",
        "<<: ",
        "\\x",
        "é",
        "id",
        "input",
    ]
    return "yaml", _encoded("".join(rng.choice(pieces) for _ in range(rng.randint(1, 60))))


def random_json(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    pieces = [
        '"a"',
        ":",
        ",",
        "{",
        "}",
        "[",
        "]",
        "1",
        "-",
        "NaN",
        "Infinity",
        "1e999",
        '"\\ud800"',
        "true",
        " ",
        '"',
        "9" * 5000,
        '"input":1,',
    ]
    return "json", _encoded("".join(rng.choice(pieces) for _ in range(rng.randint(1, 40))))


def json_mistakes(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    text = json.dumps(data)
    at = rng.choice([index for index, character in enumerate(text) if character in ":{,"])
    piece = rng.choice(
        [
            '"input": 1, "input": 2,',
            "NaN,",
            '"k": -Infinity,',
            '"k": 1e999,',
            f'"k": {"9" * 5000},',
            "// no\n",
            ",",
            '"\\udc00",',
        ]
    )
    return "json", _encoded(text[: at + 1] + piece + text[at + 1 :])


def many_documents(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    one = dump_yaml(data)
    return "yaml", _encoded(rng.choice(["---\n", "...\n---\n", "--- "]).join([one] * rng.choice([2, 3, 200])))


def merge_keys(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    return "yaml", _encoded(
        "x-base: &b {status: 200}\n"
        + dump_yaml(data)
        + rng.choice(["<<: *b\n", "x-a: {<<: *b}\n", '"<<": 1\n', "<<: [*b, *b]\n"])
    )


def path_escape(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    path = rng.choice(PATHS)
    extra: dict[str, Any] = rng.choice(
        [
            {"contract": path},
            {"contract": [path, path]},
            {"contract": {"name": "inline", "extends": path, "invariants": []}},
            {"parent": path, "at_turn": 1},
            {"tool_responses": [{"responses": path}]},
            {"extends": path},
            {"replays": {"sessions": [{"file": path}]}},
            {"invariants": [{"type": "json_schema", "schema": path}]},
        ]
    )
    suffix, text = _text(rng, {**data, **extra})
    return suffix, _encoded(text)


def agent_reference(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    reference = rng.choice(REFERENCES)
    name = reference if isinstance(reference, str) else "os:system"
    extra: dict[str, Any] = rng.choice(
        [
            {"agent": reference},
            {"tools": {"t": name}},
            {"contract": {"name": "p", "invariants": [{"type": "python", "check": name}]}},
            {"invariants": [{"type": "python", "check": name}]},
        ]
    )
    suffix, text = _text(rng, {**data, **extra})
    return suffix, _encoded(text)


def bad_patterns(rng: Random, data: dict[str, Any]) -> tuple[str, bytes]:
    pattern = rng.choice(
        [
            "(",
            "[",
            "(?P<a>x)(?P<a>y)",
            "(?i",
            "*",
            "a{99999999999}",
            "(" * 200 + ")" * 200,
            "\\",
            "(?<=a+)b",
            "(a+)+$" * 50,
        ]
    )
    invariant: dict[str, Any] = rng.choice(
        [
            {"type": "regex", "pattern": pattern},
            {"type": "excludes_regex", "patterns": [pattern]},
            {"type": "json_path", "path": pattern, "exists": True},
            {"type": "json_schema", "schema": {"pattern": pattern}},
            {"type": "no_promise_without_tool", "tools": ["a"], "pattern": pattern},
        ]
    )
    contract = {"name": "p", "invariants": [invariant]}
    suffix, text = _text(rng, contract if "invariants" in data else {**data, "contract": contract})
    return suffix, _encoded(text)


MAKERS: dict[str, Maker] = {
    maker.__name__.replace("_", " "): maker
    for maker in (
        swapped_type,
        renamed_key,
        removed,
        truncated,
        flipped_bytes,
        shuffled_lines,
        deep_nesting,
        alias_bomb,
        cyclic_alias,
        python_tags,
        huge_scalar,
        huge_key,
        many_items,
        control_characters,
        wrong_encoding,
        random_bytes,
        binary_file,
        random_yaml,
        random_json,
        json_mistakes,
        many_documents,
        merge_keys,
        path_escape,
        agent_reference,
        bad_patterns,
    )
}


def cases(count: int, seed: int = 0) -> Iterator[Case]:
    """Every kind in turn, half of them contracts."""
    kinds = list(MAKERS)
    for number in range(count):
        rng = Random(f"{seed}:{number}")
        kind = kinds[number % len(kinds)]
        is_contract = (number // len(kinds)) % 2 == 1
        suffix, content = MAKERS[kind](rng, rng.choice(CONTRACTS if is_contract else REPLAYS))
        yield Case(kind, suffix, content, is_contract)


class Outcome(Exception):
    """Neither loaded nor refused with a clear error."""


def try_case(case: Case, folder: Path) -> bool:
    """True: loaded; False: refused with a clear error. Raises whatever else happens."""
    path = folder / f"case.replay.{case.suffix}"
    contract = folder / f"case.contract.{case.suffix}"
    path.unlink(missing_ok=True)
    contract.unlink(missing_ok=True)
    if case.is_contract:
        contract.write_bytes(case.content)
        path = folder / "case.replay.yaml"
        path.write_text(f"id: a\ninput: b\ncontract: ./{contract.name}\n", encoding="utf-8")
    else:
        path.write_bytes(case.content)
    try:
        for loaded in load_replays(path, root=folder, max_size=MAX_SIZE):
            _use(loaded, folder)
    except ReplayError as error:
        _check_error(error)
        return False
    finally:
        path.unlink()
    return True


def _use(loaded: LoadedReplay, folder: Path) -> None:
    again = loaded.packed().unpacked()
    if again.replay != loaded.replay:
        raise Outcome("not the same after packing")
    written = dump_yaml(replay_to_data(loaded.replay))
    if parse_document(written, "again.yaml").data != replay_to_data(loaded.replay):
        raise Outcome("not the same after writing")
    if loaded.replay.contract is not None:
        finder = ContractFinder(folder, max_file_size=MAX_SIZE)
        finder.resolve(loaded.replay.contract, loaded.path, loaded.place())  # type: ignore[arg-type]
    if loaded.replay.agent is not None:
        load_agent(loaded.replay.agent, root=folder, trusted=False, where=loaded.display)


def _check_error(error: ReplayError) -> None:
    text = str(error)
    if not text.strip() or len(text) > 200_000 or "\ud800" in text:
        raise Outcome(f"an error without a usable text: {text[:200]!r}")
    if isinstance(error, FormatError) and not all(problem.path and problem.message for problem in error.problems):
        raise Outcome(f"a problem without path or message: {text[:200]!r}")
    if "pydantic" in text or "Traceback" in text:
        raise Outcome(f"an error in foreign words: {text[:200]!r}")


def prepare(folder: Path) -> None:
    """What some of the files point at."""
    (folder / "loop.yaml").symlink_to("loop.yaml")
    (folder / "outside.yaml").symlink_to("/etc/passwd")
    (folder.parent / "canary_module.py").write_text(f"open({str(folder / CANARY)!r}, 'w').close()\n", encoding="utf-8")


@dataclass
class Row:
    """What happened to the files of one kind."""

    loaded: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    failures: list[str] = field(default_factory=list)


def run(count: int, seed: int, folder: Path) -> dict[tuple[bool, str], Row]:
    """Loads `count` files; rows by (is a contract, kind)."""
    prepare(folder)
    rows: dict[tuple[bool, str], Row] = {}
    for number, case in enumerate(cases(count, seed)):
        row = rows.setdefault((case.is_contract, case.kind), Row())
        started, started_cpu = time.perf_counter(), time.process_time()
        try:
            if try_case(case, folder):
                row.loaded += 1
            else:
                row.refused += 1
        except Exception as error:
            row.failures.append(f"file {number}: {type(error).__name__}: {str(error)[:300]}")
        elapsed, cpu = time.perf_counter() - started, time.process_time() - started_cpu
        row.slowest_s = max(row.slowest_s, cpu)
        if cpu > LIMIT_S or elapsed > HANG_S:
            row.failures.append(f"file {number}: took {cpu:.2f} s of CPU, {elapsed:.2f} s")
        if (folder / CANARY).exists():
            row.failures.append(f"file {number}: executed something")
            (folder / CANARY).unlink()
    return rows


def table(rows: dict[tuple[bool, str], Row]) -> str:
    """The rows for people."""
    lines = [f"{'kind':<22}{'':<10}{'loaded':>8}{'refused':>9}{'failed':>8}{'slowest':>11}"]
    for (is_contract, kind), row in sorted(rows.items()):
        what = "contract" if is_contract else "replay"
        slowest = f"{row.slowest_s * 1000:.1f} ms"
        lines.append(f"{kind:<22}{what:<10}{row.loaded:>8}{row.refused:>9}{len(row.failures):>8}{slowest:>11}")
    total = sum(row.loaded + row.refused for row in rows.values())
    failures = [failure for row in rows.values() for failure in row.failures]
    lines.append(f"{total} files loaded or refused, {len(failures)} failures")
    return "\n".join([*lines, *failures[:20]])


def main() -> int:
    parser = argparse.ArgumentParser(description="Load mutated and hostile files.")
    parser.add_argument("count", nargs="?", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    faulthandler.enable()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "root"
        folder.mkdir()
        rows = run(arguments.count, arguments.seed, folder)
    print(table(rows))
    return 1 if any(row.failures for row in rows.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
