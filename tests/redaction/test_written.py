"""No byte that an import writes has a secret of what it read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.cli import main
from pytest_agent_replay.formats.loading import load_document
from pytest_agent_replay.redaction import scan
from tests.redaction.corpus import Sample, personal, secrets


def transcript(samples: list[Sample]) -> list[dict[str, Any]]:
    """A conversation in which each value is an argument, a part of a result, and said."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Try them all."}]
    for number, sample in enumerate(samples):
        call = {"name": "look", "arguments": json.dumps({"value": sample.value})}
        messages += [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": f"call_{number}", "type": "function", "function": call}],
            },
            {"role": "tool", "tool_call_id": f"call_{number}", "content": json.dumps({"seen": sample.value})},
        ]
    said = "\n".join(str(sample.value) for sample in samples)
    return [*messages, {"role": "assistant", "content": said}]


def test_no_secret_of_the_corpus_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither into the files nor onto the screen; the files load, and a scan of them reports nothing."""
    samples = [sample for sample in (*secrets(1), *personal(1)) if sample.context in ("sentence", "JSON", "call")]
    source = tmp_path / "all.json"
    source.write_text(json.dumps([transcript(samples[start::20]) for start in range(20)]))
    out = tmp_path / "out"
    assert main(["import", "openai-chat", str(source), "-o", str(out)]) == 0
    files = sorted(out.rglob("*.yaml"))
    assert len(files) >= 20
    written = "".join(path.read_text("utf-8") for path in files) + capsys.readouterr().out
    # long texts are folded at spaces
    bare = "".join(written.split())
    assert [sample for sample in samples if sample.core in written or "".join(sample.core.split()) in bare] == []
    for path in files:
        assert list(scan(load_document(path).data)) == []
