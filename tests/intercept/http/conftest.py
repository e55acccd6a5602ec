"""Fixtures of the HTTP interceptors' tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .http_clients import Server


@pytest.fixture
def server() -> Iterator[Server]:
    """A real HTTP server on loopback."""
    with Server.running() as running:
        yield running
