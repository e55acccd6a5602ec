"""Messages, tools, results and token counts out of any common shape, for sources. Nothing here raises for odd input."""

from pytest_agent_replay.sources.messages.answers import read_answer, read_finish_reason
from pytest_agent_replay.sources.messages.conversation import read_conversation, with_system
from pytest_agent_replay.sources.messages.parts import Message, joined_content, plain_content
from pytest_agent_replay.sources.messages.results import ToolResult, read_result, tool_run
from pytest_agent_replay.sources.messages.tools import read_tools
from pytest_agent_replay.sources.messages.usage import read_usage

__all__ = [
    "Message",
    "ToolResult",
    "joined_content",
    "plain_content",
    "read_answer",
    "read_conversation",
    "read_finish_reason",
    "read_result",
    "read_tools",
    "read_usage",
    "tool_run",
    "with_system",
]
