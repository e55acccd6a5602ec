"""The files that a run writes: the results (`--replay-json`) and one trace per replay (`--replay-traces`)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.report.summary import summary
from pytest_agent_replay.trace.model import Trace

__all__ = ["json_text", "results_document", "trace_name", "write_json", "write_trace"]

_UNSAFE = re.compile(r"[^\w.@+-]+", re.ASCII)


def results_document(rows: Sequence[Mapping[str, Any]], *, started: float, duration_s: float) -> dict[str, Any]:
    """The content of the results file. `started` is in seconds since the epoch."""
    return {
        "version": 1,
        "started": datetime.fromtimestamp(started, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "duration_ms": round(duration_s * 1000),
        "summary": summary(rows),
        "replays": list(rows),
    }


def json_text(data: Any, *, indent: int | None = None) -> str:
    """Strict JSON of any data: what JSON cannot say (NaN, foreign objects) becomes text."""
    try:
        return json.dumps(data, ensure_ascii=False, allow_nan=False, default=repr, indent=indent)
    except ValueError:
        return json.dumps(_finite(data), ensure_ascii=False, allow_nan=False, default=repr, indent=indent)


def _finite(data: Any) -> Any:
    if isinstance(data, float) and (data != data or data in (float("inf"), float("-inf"))):
        return str(data)
    if isinstance(data, Mapping):
        return {str(key): _finite(each) for key, each in data.items()}
    return [_finite(each) for each in data] if isinstance(data, (list, tuple)) else data


def write_json(path: Path, data: Any) -> None:
    """Writes data as indented JSON, the whole file or nothing; folders are made. Raises `ReplayError`."""
    from pytest_agent_replay.formats.writing import write_text_atomic

    # inside a JSON string, the spelled out form of a lone surrogate is the surrogate again
    text = json_text(data, indent=1).encode("utf-8", "backslashreplace").decode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReplayError(f"{path.parent}: cannot be made: {error.strerror or error}") from None
    write_text_atomic(path, f"{text}\n", force=True)


def write_trace(path: Path, trace: Trace) -> None:
    """Writes one trace. Raises `ReplayError`."""
    write_json(path, trace.to_dict())


def trace_name(label: str) -> str:
    """A file name for the trace of one replay; two labels never share one."""
    safe = _UNSAFE.sub("-", label).strip("-.")
    if safe != label or len(safe) > 120:
        safe = f"{safe[:120]}-{sha256(label.encode('utf-8', 'replace')).hexdigest()[:8]}"
    return f"{safe}.trace.json"
