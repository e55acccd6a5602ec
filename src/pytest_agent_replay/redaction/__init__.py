"""Redaction: secrets and personal data out of sessions before anything is written.

`Redactor` puts pseudonyms in their place, `scan` tells where they are, `Rules` say what counts.
"""

from __future__ import annotations

from pytest_agent_replay.redaction.configuration import project_rules, redactors
from pytest_agent_replay.redaction.engine import Redactor
from pytest_agent_replay.redaction.rules import Rules
from pytest_agent_replay.redaction.scanning import Finding, scan

__all__ = ["Finding", "Redactor", "Rules", "project_rules", "redactors", "scan"]
