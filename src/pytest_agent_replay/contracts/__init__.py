"""What an agent must and must not do: contracts, their checks, and the verdict over a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_agent_replay.contracts.case import Case, Services
    from pytest_agent_replay.contracts.registry import Check, Finding, Registry, check
    from pytest_agent_replay.contracts.resolve import BoundContract, ContractFinder
    from pytest_agent_replay.contracts.verdict import Verdict, evaluate, reproduces
    from pytest_agent_replay.formats.contract import Contract, Invariant

_HOMES = {
    "BoundContract": "pytest_agent_replay.contracts.resolve",
    "Case": "pytest_agent_replay.contracts.case",
    "Check": "pytest_agent_replay.contracts.registry",
    "Contract": "pytest_agent_replay.formats.contract",
    "ContractFinder": "pytest_agent_replay.contracts.resolve",
    "Finding": "pytest_agent_replay.contracts.registry",
    "Invariant": "pytest_agent_replay.formats.contract",
    "Registry": "pytest_agent_replay.contracts.registry",
    "Services": "pytest_agent_replay.contracts.case",
    "Verdict": "pytest_agent_replay.contracts.verdict",
    "check": "pytest_agent_replay.contracts.registry",
    "evaluate": "pytest_agent_replay.contracts.verdict",
    "reproduces": "pytest_agent_replay.contracts.verdict",
}

__all__ = [
    "BoundContract",
    "Case",
    "Check",
    "Contract",
    "ContractFinder",
    "Finding",
    "Invariant",
    "Registry",
    "Services",
    "Verdict",
    "check",
    "evaluate",
    "reproduces",
]


def __getattr__(name: str) -> Any:
    """Names are loaded when they are asked for, so that one module costs nothing until it is used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
