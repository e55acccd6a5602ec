"""Agent frameworks: one file each, loaded once the agent has imported the framework, never earlier.

The file of a framework has `PATCHES`: the module that is waited for → a function that patches it, as in `registry`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType

from pytest_agent_replay.errors import BindingError
from pytest_agent_replay.intercept.registry import Interceptor, Patcher

__all__ = ["FRAMEWORKS", "framework_interceptors"]

FRAMEWORKS: Mapping[str, tuple[str, ...]] = {
    "agent_framework": (
        "agent_framework._tools",
        "agent_framework_orchestrations._handoff",
    ),
    "agno": ("agno.tools.function",),
    "anthropic": (
        "anthropic.lib.tools._beta_functions",
        "anthropic.lib.tools._toolsets._runnable",
        "anthropic.lib.tools._beta_runner",
    ),
    "autogen": (
        "autogen_core.tools._base",
        "autogen_core.tools._workbench",
    ),
    "claude_agent_sdk": ("claude_agent_sdk", "claude_agent_sdk._internal.query"),
    "crewai": (
        "crewai.tools.base_tool",
        "crewai.tools.structured_tool",
        "crewai.agents.cache.cache_handler",
        "crewai.llms.base_llm",
    ),
    "dspy": (
        "dspy.adapters.types.tool",
        "dspy.predict.react",
        "dspy.clients.cache",
        "dspy._vendor.lm15.transports._sync",
        "dspy._vendor.lm15.transports._async",
    ),
    "google_adk": (
        "google.adk.tools.base_tool",
        "google.adk.tools.function_tool",
        "google.adk.tools._node_tool",
        "google.adk.workflow._llm_agent_wrapper",
    ),
    "google_genai": ("google.genai._extra_utils",),
    "haystack": ("haystack.tools.tool", "haystack.components.agents.tool_calling"),
    "langchain": (
        "langchain_core.tools.base",
        "langgraph.prebuilt.tool_node",
        "langchain.agents.structured_output",
        "langchain.agents.middleware.human_in_the_loop",
    ),
    "llama_index": (
        "llama_index.core.tools.types",
        "llama_index.core.agent.workflow.base_agent",
        "llama_index.core.agent.workflow.multi_agent_workflow",
    ),
    "mcp": (
        "mcp.client.session",
        "mcp.client.stdio",
        "mcp.client.sse",
        "mcp.client.streamable_http",
        "mcp.client.websocket",
    ),
    "openai_agents": (
        "agents.tool",
        "agents.agent",
        "agents.handoffs",
        "agents.tracing.processors",
    ),
    "pydantic_ai": ("pydantic_ai.toolsets.combined", "pydantic_ai.tool_manager"),
    "semantic_kernel": (
        "semantic_kernel.functions.kernel_function",
        "semantic_kernel.kernel",
    ),
    "smolagents": (
        "smolagents.tools",
        "smolagents.agents",
    ),
    "strands": ("strands.types.tools",),
}
"""Our file of each framework → the modules of the framework that it waits for."""


def framework_interceptors() -> list[Interceptor]:
    """The interceptors of all frameworks. To make them imports no framework and none of their files."""
    return [_interceptor(name, module) for name, modules in FRAMEWORKS.items() for module in modules]


def _interceptor(framework: str, waited: str) -> Interceptor:
    def apply(module: ModuleType, patcher: Patcher) -> None:
        try:
            _patches_of(framework)[waited](module, patcher)
        except (AttributeError, ImportError) as error:
            raise BindingError(
                f"tools of {_package_of(waited)} cannot be intercepted: {error}. No replay can run with this version; "
                "the documentation lists the versions that were tried"
            ) from error

    return Interceptor(f"{framework}: {waited}", waited, apply)


@cache
def _patches_of(framework: str) -> Mapping[str, Callable[[ModuleType, Patcher], None]]:
    # once, whatever becomes of `sys.modules`: patches of two copies of a file would not know of one another
    from importlib import import_module

    patches: Mapping[str, Callable[[ModuleType, Patcher], None]] = import_module(f"{__name__}.{framework}").PATCHES
    return patches


def _package_of(module: str) -> str:
    """The installed package with its version. Several may share the first part of their modules' names."""
    from importlib.metadata import packages_distributions, version

    top = module.partition(".")[0]
    names = packages_distributions().get(top, [])
    own = [name for name in names if module.replace(".", "-").startswith(name.lower().replace("_", "-"))] or names
    return f"{own[0]} {version(own[0])}" if own else f"{top} (of unknown version)"
