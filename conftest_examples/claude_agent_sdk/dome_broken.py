"""The agent on the night of the incident: it takes Claude's word."""

from __future__ import annotations

from claude_agent_sdk import ResultMessage
from dome import asked


async def answer(request: str) -> str:
    """What Claude says."""
    said = ""
    async for message in asked(request):
        if isinstance(message, ResultMessage):
            said = message.result or ""
    return said
