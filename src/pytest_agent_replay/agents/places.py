"""Where in the user's own code an exception came from."""

from __future__ import annotations

import os
from itertools import groupby
from pathlib import Path

from pytest_agent_replay.agents.trust import Guard

__all__ = ["places_of"]

_OURS = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "")


def places_of(error: BaseException, root: Path) -> list[str]:
    """The places that an exception went through, as `path:line`, where it was raised last; repeated ones once.

    Those in the project's own code, as paths from `root`; where there are none, the one place where it was raised,
    unless that is in this package (an endpoint's answer that cannot be read): then there is none.
    """
    frames = []
    path = ""
    trace = error.__traceback__
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename
        if not path.startswith(("<", _OURS)):
            frames.append((path, trace.tb_lineno))
        trace = trace.tb_next
    guard = Guard(root, ())
    own = [f"{os.path.relpath(path, root)}:{line}" for path, line in frames if guard.owns_file(path)]
    if not own and path.startswith(_OURS):
        return []
    return [place for place, _ in groupby(own)] or [f"{path}:{line}" for path, line in frames[-1:]]
