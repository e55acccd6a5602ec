"""What is LangChain's and LangGraph's own: injected arguments, commands, handoffs, artifacts, states, interrupts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml

pytest.importorskip("langchain_core")
pytest.importorskip("langgraph")
pytest.importorskip("langchain_openai")

from langchain_core.messages import ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool, ToolException, tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedState, InjectedStore, ToolNode
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, Send, interrupt
from pydantic import BaseModel
from typing_extensions import TypedDict

from pytest_agent_replay import capture
from pytest_agent_replay.errors import AgentError
from tests.frameworks.apps.langchain import create_agent
from tests.frameworks.harness import calls, play, problems, told

try:
    from langchain.tools import ToolRuntime
except ImportError:
    ToolRuntime = None

model: Any = ChatOpenAI(model="gpt-4o", api_key="none", max_retries=0)  # type: ignore[arg-type]
ran: list[str] = []
FINE = "inconclusive"
"""Nothing failed, and there is no contract by which anything could pass."""


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    ran.clear()


def made(result: Any) -> list[tuple[str, dict[str, Any]]]:
    """The calls that a run made."""
    return [(call["tool"], call["args"]) for call in result.tool_calls]


def graph_of(*tools: Any, **options: Any) -> Any:
    """An agent's loop of a model and a node for its tools."""
    bound = model.bind_tools(list(tools))
    graph = StateGraph(options.pop("state", MessagesState))
    graph.add_node("model", lambda state: {"messages": [bound.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode(list(tools), **options.pop("node", {})))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", lambda state: "tools" if state["messages"][-1].tool_calls else END)
    graph.add_edge("tools", "model")
    return graph.compile(**options)


# -- arguments


@tool
def note(
    text: str,
    state: Annotated[dict[str, Any], InjectedState],
    store: Annotated[Any, InjectedStore()],
    tool_call_id: Annotated[str, InjectedToolCallId],
    times: int = 1,
) -> str:
    """Writes a note."""
    ran.append("note")
    return "written"


def test_what_the_graph_hands_to_a_tool_is_no_argument_of_the_call() -> None:
    """State, store and the id of the call are left out; what the signature gives is a default."""
    agent = graph_of(note, store=InMemoryStore())
    recorded = {"tool": "note", "args": {"text": "x"}, "response": "noted"}
    result = play(agent, llm_responses=calls([("note", {"text": "x"})]), tool_responses=[recorded])
    assert (ran, made(result), result.outcome) == ([], [("note", {"text": "x"})], FINE)
    assert result.trace is not None
    assert result.trace.tool_calls[0].defaults == {"times": 1}
    assert result.trace.tool_calls[0].call_id == "call_1"


@pytest.mark.skipif(ToolRuntime is None, reason="LangChain before 1.0 has no ToolRuntime")
def test_the_runtime_is_no_argument_of_the_call() -> None:
    """Also where nothing but its type says that it is handed in."""

    @tool
    def remember(text: str, runtime: ToolRuntime) -> str:  # type: ignore[valid-type]
        """Remembers."""
        return "remembered"

    recorded = {"tool": "remember", "args": {"text": "x"}, "response": "kept"}
    answers = calls([("remember", {"text": "x"})])
    result = play(create_agent(model, [remember]), llm_responses=answers, tool_responses=[recorded])
    assert (made(result), result.outcome) == ([("remember", {"text": "x"})], FINE)


# -- what tools return


class OwnedState(MessagesState):
    owner: str


@tool
def assign(name: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
    """Gives the ticket to somebody."""
    ran.append("assign")
    return Command(update={"owner": name})


def test_a_recorded_command_changes_the_state() -> None:
    """Its message answers the call of today, whatever id it had."""
    update = {"owner": "Ada", "messages": [{"role": "tool", "content": "assigned", "tool_call_id": "old"}]}
    recorded = {"tool": "assign", "args": {"name": "Ada"}, "response": {"update": update}}
    agent = graph_of(assign, state=OwnedState)

    async def ask(input: str) -> Any:
        state = await agent.ainvoke({"messages": [("user", input)], "owner": "nobody"})
        return state["owner"]

    result = play(ask, llm_responses=calls([("assign", {"name": "Ada"})]), tool_responses=[recorded])
    assert (ran, result.turns[0].output, result.outcome) == ([], "Ada", FINE)
    assert told(result)["requests"][-1][-1]["content"] == "assigned"


def test_a_recorded_command_says_where_the_graph_goes_on() -> None:
    """Also to a node of the graph around it."""

    @tool
    def escalate(reason: str) -> Command[Any]:
        """Leaves the graph."""
        ran.append("escalate")
        return Command(goto="clerk", graph=Command.PARENT)

    outer = StateGraph(MessagesState)
    outer.add_node("inner", graph_of(escalate))
    outer.add_node("clerk", lambda state: {"messages": [("ai", "A clerk here.")]})
    outer.add_edge(START, "inner")
    recorded = {"tool": "escalate", "response": {"goto": "clerk", "graph": "__parent__"}}
    answers = calls([("escalate", {"reason": "x"})])[:1]
    result = play(outer.compile(), llm_responses=answers, tool_responses=[recorded])
    assert (ran, result.turns[0].output, result.outcome) == ([], "A clerk here.", FINE)


@pytest.mark.parametrize("make", ["update", "send", "artifact", "message"])
def test_what_a_capture_recorded_is_returned_again(make: str, tmp_path: Path) -> None:
    """Commands with their messages and destinations, artifacts, messages."""

    @tool(response_format="content_and_artifact" if make == "artifact" else "content")
    def act(text: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> Any:
        """Acts."""
        ran.append("act")
        message = ToolMessage("acted", tool_call_id=tool_call_id)
        return {
            "update": Command(update={"messages": [message], "owner": text}, goto="clerk"),
            "send": Command(graph=Command.PARENT, goto=[Send("clerk", {"owner": text})]),
            "artifact": ("acted", {"owner": text}),
            "message": message,
        }[make]

    called = {"name": "act", "args": {"text": "Ada"}, "id": "call_1", "type": "tool_call"}
    with capture(tmp_path / "act.replay.yaml") as session:
        session.input = "Go"
        real = act.invoke(called)
        session.output = "Done."
    ran.clear()
    recorded = yaml.safe_load((tmp_path / "act.replay.yaml").read_text("utf-8"))["tool_responses"]
    seen = []

    def agent(input: str) -> str:
        seen.append(act.invoke(called))
        return "Done."

    result = play(agent, tool_responses=recorded)
    assert (ran, problems(result)) == ([], [])
    if make == "message":
        assert (seen[0].content, seen[0].tool_call_id) == ("acted", "call_1")
    else:
        assert seen == [real]


def test_a_text_is_no_command() -> None:
    """Where the graph goes on from there cannot be known, which fails the item and says what to do."""
    recorded = {"tool": "assign", "response": "assigned"}
    result = play(graph_of(assign), llm_responses=calls([("assign", {"name": "Ada"})]), tool_responses=[recorded])
    assert (ran, result.outcome) == ([], "failed")
    assert "`assign` returns a Command, and its recording is none" in str(problems(result))


def test_a_tool_may_return_its_message() -> None:
    """A recorded text is that message's text."""

    @tool
    def write(text: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> ToolMessage:
        """Writes."""
        ran.append("write")
        return ToolMessage(text, tool_call_id=tool_call_id)

    recorded = {"tool": "write", "response": "written"}
    result = play(graph_of(write), llm_responses=calls([("write", {"text": "x"})]), tool_responses=[recorded])
    assert (ran, result.outcome) == ([], FINE)
    assert told(result)["requests"][-1][-1]["content"] == "written"


class Page(BaseModel):
    title: str


@tool(response_format="content_and_artifact")
def search(query: str) -> tuple[str, list[Page]]:
    """Searches."""
    ran.append("search")
    return "found", [Page(title="real")]


@pytest.mark.parametrize(
    ("response", "content", "artifact"),
    [
        ("one page", "one page", None),
        ({"content": "one page", "artifact": [{"title": "A"}]}, "one page", [Page(title="A")]),
        (["one page", [{"title": "A"}]], "one page", [Page(title="A")]),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "a", None),
    ],
)
def test_a_recording_has_the_content_or_the_artifact_too(response: Any, content: str, artifact: Any) -> None:
    """As the tool's annotation says; a list of content blocks is content."""
    agent = graph_of(search)
    seen: list[Any] = []

    async def ask(input: str) -> Any:
        state = await agent.ainvoke({"messages": [("user", input)]})
        seen.append(state["messages"][-2])
        return state

    answers = calls([("search", {"query": "x"})])
    result = play(ask, llm_responses=answers, tool_responses=[{"tool": "search", "response": response}])
    assert (ran, result.outcome) == ([], FINE)
    assert content in str(seen[0].content)
    assert seen[0].artifact == artifact


def test_a_tool_handles_its_own_errors() -> None:
    """A recorded `ToolException` is told to the model where the tool says so."""

    def fetch(url: str) -> str:
        raise ToolException(url)

    fetching = StructuredTool.from_function(fetch, name="fetch", description="Fetches.", handle_tool_error=True)
    failure = {"type": "langchain_core.tools.base.ToolException", "message": "no such page"}
    answers = calls([("fetch", {"url": "x"})])
    result = play(graph_of(fetching), llm_responses=answers, tool_responses=[{"tool": "fetch", "error": failure}])
    assert result.outcome == FINE
    assert told(result)["requests"][-1][-1]["content"] == "no such page"


def test_the_node_handles_errors() -> None:
    """As with a tool that raises."""

    def fetch(url: str) -> str:
        """Fetches."""
        raise ValueError("no such page")

    agent = graph_of(tool(fetch), node={"handle_tool_errors": True})
    answers = calls([("fetch", {"url": "x"})])
    real = play(agent, llm_responses=answers, matching={"unrecorded": "live"})
    failure = {"type": "ValueError", "message": "no such page"}
    result = play(agent, llm_responses=answers, tool_responses=[{"tool": "fetch", "error": failure}])
    assert "no such page" in told(result)["requests"][-1][-1]["content"]
    assert told(result) == told(real)


def test_a_tool_may_return_directly() -> None:
    """Its recorded value is the end of the run."""

    @tool(return_direct=True)
    def final(text: str) -> str:
        """Ends."""
        ran.append("final")
        return "real"

    answers = calls([("final", {"text": "x"})])[:1]
    agent = create_agent(model, [final])

    async def ask(input: str) -> Any:
        state = await agent.ainvoke({"messages": [("user", input)]})
        return state["messages"][-1].content

    result = play(ask, llm_responses=answers, tool_responses=[{"tool": "final", "response": "recorded"}])
    assert (ran, result.turns[0].output, result.outcome) == ([], "recorded", FINE)


# -- classes of tools


class OwnRun(BaseTool):
    """Has a `run` that is not LangChain's."""

    name: str = "own"
    description: str = "Does it itself."

    def _run(self, text: str) -> str:
        raise NotImplementedError

    def run(self, tool_input: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        ran.append("own")
        return f"real {tool_input['text']}"


class Own(BaseTool):
    """Has its own `_run` and `_arun`."""

    name: str = "own"
    description: str = "Does it itself."

    def _run(self, text: str) -> str:
        ran.append("own")
        return f"real {text}"

    async def _arun(self, text: str) -> str:
        ran.append("own, async")
        return f"real {text}"


def own_later() -> Any:
    """A class that is made while a replay runs."""

    class Later(Own):
        def _run(self, text: str) -> str:
            ran.append("later")
            return f"real {text}"

        async def _arun(self, text: str) -> str:
            return self._run(text)

    return Later()


@pytest.mark.parametrize("make", [OwnRun, Own, own_later])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_subclass_is_answered(make: Any, is_async: bool) -> None:
    """Whichever method it has as its own, and whenever it was defined; its real code is what runs where it may."""

    def ask(input: str) -> Any:
        agent = graph_of(make())
        given = {"messages": [("user", input)]}
        return asyncio.run(agent.ainvoke(given)) if is_async else agent.invoke(given)

    answers = calls([("own", {"text": "x"})])
    recorded = {"tool": "own", "args": {"text": "x"}, "response": "recorded"}
    result = play(ask, llm_responses=answers, tool_responses=[recorded])
    assert (ran, made(result), result.outcome) == ([], [("own", {"text": "x"})], FINE)
    assert told(result)["requests"][-1][-1]["content"] == "recorded"
    if make is not OwnRun or not is_async:
        real = play(ask, llm_responses=answers, matching={"unrecorded": "live"})
        assert len(ran) == 1
        assert told(real)["requests"][-1][-1]["content"] == "real x"


def test_a_tool_without_sync_code_cannot_be_called_so() -> None:
    """As in production."""

    @tool
    async def slow(text: str) -> str:
        """Waits."""
        return "real"

    agent = graph_of(slow)
    result = play(
        lambda input: agent.invoke({"messages": [("user", input)]}),
        llm_responses=calls([("slow", {"text": "x"})]),
        tool_responses=[{"tool": "slow", "response": "recorded"}],
    )
    assert "does not support sync invocation" in str(told(result))


def test_a_function_of_the_same_name_is_answered_once() -> None:
    """The tool that is made of it answers, outside of it."""
    made_of = StructuredTool.from_function(plain_lookup, name="plain_lookup", description="Looks up.")
    recorded = {"tool": "plain_lookup", "args": {"text": "x"}, "response": "recorded"}
    answers = calls([("plain_lookup", {"text": "x"})])
    result = play(graph_of(made_of), llm_responses=answers, tool_responses=[recorded])
    assert [(call["tool"], call["channel"]) for call in result.tool_calls] == [("plain_lookup", "langchain")]
    assert (ran, result.outcome) == ([], FINE)


def plain_lookup(text: str) -> str:
    """Looks up."""
    ran.append("plain_lookup")
    return "real"


# -- several agents


@tool
def price(item: str) -> str:
    """The price of an item."""
    ran.append("price")
    return "real"


clerk: Any = create_agent(model, [price], name="clerk")


@tool
def ask_clerk(question: str) -> str:
    """Asks another agent."""
    ran.append("ask_clerk")
    state = clerk.invoke({"messages": [("user", question)]})
    return str(state["messages"][-1].content)


def test_an_agent_as_a_tool_runs_when_only_what_it_does_is_recorded() -> None:
    """Its own tools are answered within."""
    answers = [*calls([("ask_clerk", {"question": "how much?"})])[:1], *calls([("price", {"item": "tea"})])]
    answers += [{"model": "gpt-4o", "content": "It is 3."}]
    recorded = {"tool": "price", "args": {"item": "tea"}, "response": "3"}
    result = play(create_agent(model, [ask_clerk]), llm_responses=answers, tool_responses=[recorded])
    assert (ran, made(result)) == (["ask_clerk"], [("price", {"item": "tea"})])
    assert (result.turns[0].output, result.outcome) == ("It is 3.", FINE)


def test_an_agent_as_a_tool_is_answered_when_it_is_recorded() -> None:
    """And asks nobody."""
    recorded = {"tool": "ask_clerk", "response": "3"}
    answers = calls([("ask_clerk", {"question": "how much?"})])
    result = play(create_agent(model, [ask_clerk]), llm_responses=answers, tool_responses=[recorded])
    assert (ran, result.outcome) == ([], FINE)


def transfer_tool(name: str) -> Any:
    """A handoff as the documentation of LangGraph shows it."""

    @tool(f"transfer_to_{name}", description="Hands over.")
    def handoff(
        state: Annotated[dict[str, Any], InjectedState], tool_call_id: Annotated[str, InjectedToolCallId]
    ) -> Command[Any]:
        message = {
            "role": "tool",
            "content": f"now {name}",
            "tool_call_id": tool_call_id,
            "name": f"transfer_to_{name}",
        }
        return Command(goto=name, graph=Command.PARENT, update={"messages": [*state["messages"], message]})

    return handoff


def by_hand() -> Any:
    """Two agents, of which the first hands over."""
    graph = StateGraph(MessagesState)
    graph.add_node("front", create_agent(model, [transfer_tool("clerk")], name="front"))
    graph.add_node("clerk", clerk)
    graph.add_edge(START, "front")
    return graph.compile()


def supervised() -> Any:
    """The same with langgraph-supervisor."""
    module = pytest.importorskip("langgraph_supervisor")
    return module.create_supervisor([clerk], model=model).compile()


def swarm() -> Any:
    """The same with langgraph-swarm."""
    module = pytest.importorskip("langgraph_swarm")
    front = create_agent(model, [module.create_handoff_tool(agent_name="clerk")], name="front")
    return module.create_swarm([front, clerk], default_active_agent="front").compile()


@pytest.mark.parametrize("make", [by_hand, supervised, swarm])
@pytest.mark.parametrize("is_recorded", [False, True])
def test_a_handoff_runs(make: Any, is_recorded: bool) -> None:
    """It needs no recording; one that there is counts as served, and the call as made."""
    agent = make()
    answers = [*calls([("transfer_to_clerk", {})])[:1], *calls([("price", {"item": "tea"})])]
    if make is supervised:
        answers += [{"model": "gpt-4o", "content": "Three."}]
    recorded = [{"tool": "price", "args": {"item": "tea"}, "response": "3"}]
    if is_recorded:
        recorded.insert(0, {"tool": "transfer_to_clerk", "args": {}, "response": "Successfully transferred to clerk"})
    result = play(agent, llm_responses=answers, tool_responses=recorded)
    expected = [("transfer_to_clerk", {})] * is_recorded + [("price", {"item": "tea"})]
    assert (ran, made(result), result.unused, problems(result)) == ([], expected, [], [])
    assert result.turns[0].output == ("Three." if make is supervised else "That is all.")
    assert result.outcome == FINE


# -- conversations


def turn(text: Any, *answers: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A turn with its model answers."""
    return {"input": text, "llm_responses": list(answers), **more}


def said(text: str, *, tokens: int = 0) -> dict[str, Any]:
    """A model answer that is text."""
    usage = {"usage": {"input_tokens": tokens, "output_tokens": 1}} if tokens else {}
    return {"model": "gpt-4o", "content": text, **usage}


@pytest.mark.parametrize("checkpointer", [None, InMemorySaver()])
def test_a_conversation_goes_on(checkpointer: Any) -> None:
    """With what was said before, once each; two replays do not share their thread."""
    agent = create_agent(model, [price], checkpointer=checkpointer)
    for _ in range(2):
        turns = [turn("One?", said("One.")), turn("Two?", said("Two."))]
        result = play(agent, turns=turns, context="Be short.")
        texts = [m["content"] for m in told(result)["requests"][-1]]
        assert texts == ["Be short.", "One?", "One.", "Two?"]
        assert [each.output for each in result.turns] == ["One.", "Two."]


@pytest.mark.parametrize("checkpointer", [None, InMemorySaver()])
def test_tokens_are_counted_once(checkpointer: Any) -> None:
    """Those of each turn alone, though the state keeps the messages of all."""
    from pytest_agent_replay.agents.answers import read_answer
    from pytest_agent_replay.agents.call import make_agent
    from pytest_agent_replay.agents.model import TurnInput

    agent = make_agent(create_agent(model, [], checkpointer=checkpointer), name="agent")
    usages = []

    async def talk(input: str) -> str:
        conversation = agent.start(TurnInput(input, session_id=input))
        for number in (1, 2):
            reply = await conversation.ask_async(TurnInput(input, session_id=input, turn=number))
            usages.append(read_answer(reply).usage)
        return "done"

    play(talk, llm_responses=[said("One.", tokens=5), said("Two.", tokens=7)])
    assert usages == [{"input_tokens": 5, "output_tokens": 1}, {"input_tokens": 7, "output_tokens": 1}]


class Answer(BaseModel):
    """The answer."""

    total: int


@pytest.mark.skipif(ToolRuntime is None, reason="LangChain before 1.0 asks the model once more")
def test_a_structured_response_is_the_answer() -> None:
    """Its pseudo-tool needs no recording, also when the model is told of it later."""
    pytest.importorskip("langchain")
    from langchain.agents.structured_output import ToolStrategy

    agent = create_agent(model, [price], response_format=ToolStrategy(Answer), checkpointer=InMemorySaver())
    turns = [
        turn("One?", *calls([("Answer", {"total": 1})])[:1]),
        turn("Two?", *calls([("Answer", {"total": 2})])[:1]),
    ]
    result = play(agent, turns=turns)
    assert [each.output for each in result.turns] == [{"total": 1}, {"total": 2}]
    assert (result.outcome, problems(result), made(result)) == (FINE, [], [])


def test_a_state_may_have_other_keys() -> None:
    """An input that is a mapping is the state; the answer is still the model's."""
    agent = graph_of(price, state=OwnedState)
    result = play(agent, input={"messages": [["user", "Hello"]], "owner": "Ada"}, llm_responses=[said("Hi.")])
    assert (result.turns[0].output, result.outcome) == ("Hi.", FINE)


class Question(TypedDict):
    question: str


class Both(Question):
    reply: str


def test_a_graph_without_messages_is_given_its_one_key() -> None:
    """And its state is the answer."""
    graph = StateGraph(Both, input_schema=Question)
    graph.add_node("reply", lambda state: {"reply": state["question"].upper()})
    graph.add_edge(START, "reply")
    result = play(graph.compile(), input="hello")
    assert result.turns[0].output == {"question": "hello", "reply": "HELLO"}


def test_a_graph_with_several_keys_has_to_be_given_them() -> None:
    """Which one takes the text is not guessed."""
    graph = StateGraph(Both)
    graph.add_node("reply", lambda state: {"reply": state["question"].upper()})
    graph.add_edge(START, "reply")
    agent = graph.compile()
    with pytest.raises(AgentError, match="write the replay's `input` as a mapping"):
        play(agent, input="hello")
    assert play(agent, input={"question": "hello"}).turns[0].output == {"question": "hello", "reply": "HELLO"}


def test_an_interrupt_is_answered_by_the_next_turn() -> None:
    """What the graph asks is the turn's answer, and the next input what it goes on with."""

    def approve(state: MessagesState) -> Any:
        return {"messages": [("ai", f"You said {interrupt('Shall I?')}.")]}

    graph = StateGraph(MessagesState)
    graph.add_node("approve", approve)
    graph.add_edge(START, "approve")
    result = play(graph.compile(checkpointer=InMemorySaver()), turns=[turn("Go"), turn("yes")])
    assert [each.output for each in result.turns] == ["Shall I?", "You said yes."]


def test_a_person_may_refuse_a_call() -> None:
    """What LangChain then tells the model is no result of a tool; an approved call is answered."""
    middleware = pytest.importorskip("langchain.agents.middleware")
    approval = middleware.HumanInTheLoopMiddleware(interrupt_on={"price": True})
    agent = create_agent(model, [price], middleware=[approval], checkpointer=InMemorySaver())
    asked = calls([("price", {"item": "tea"})])[0]
    for decision, expected in (("reject", []), ("approve", [("price", {"item": "tea"})])):
        resumed = turn({"decisions": [{"type": decision}]}, said("Done."))
        recorded = [{"tool": "price", "response": "3"}] if expected else []
        result = play(agent, turns=[turn("Go", asked), {**resumed, "tool_responses": recorded}])
        assert (made(result), ran, problems(result)) == (expected, [], [])
        assert (result.turns[1].output, result.outcome) == ("Done.", FINE)


# -- other Runnables


def test_a_chain_is_an_agent() -> None:
    """The text is the value of the one key that its prompt takes."""
    chain = ChatPromptTemplate.from_messages([("system", "Translate."), ("user", "{text}")]) | model | StrOutputParser()
    result = play(chain, input="Hallo", llm_responses=[said("Hello")])
    assert [m["content"] for m in told(result)["requests"][0]] == ["Translate.", "Hallo"]
    assert (result.turns[0].output, result.outcome) == ("Hello", FINE)


def test_a_chain_gets_the_history_that_it_asks_for() -> None:
    """Under `chat_history` or `history`."""
    parts = [("placeholder", "{chat_history}"), ("user", "{question}")]
    chain = ChatPromptTemplate.from_messages(parts) | model
    result = play(chain, turns=[turn("One?", said("One.")), turn("Two?", said("Two."))])
    assert [m["content"] for m in told(result)["requests"][-1]] == ["One?", "One.", "Two?"]
    assert result.turns[1].output == "Two."


def test_a_model_is_an_agent() -> None:
    """It is given the conversation."""
    result = play(model, turns=[turn("One?", said("One.")), turn("Two?", said("Two."))])
    assert [m["content"] for m in told(result)["requests"][-1]] == ["One?", "One.", "Two?"]


def test_a_chain_with_message_history_keeps_its_own() -> None:
    """One for each replay, by the session's id."""
    from langchain_core.chat_history import InMemoryChatMessageHistory
    from langchain_core.runnables.history import RunnableWithMessageHistory

    kept: dict[str, Any] = {}
    chain = ChatPromptTemplate.from_messages([("placeholder", "{history}"), ("user", "{text}")]) | model
    agent = RunnableWithMessageHistory(
        chain,
        lambda session_id: kept.setdefault(session_id, InMemoryChatMessageHistory()),
        input_messages_key="text",
        history_messages_key="history",
    )
    for _ in range(2):
        result = play(agent, turns=[turn("One?", said("One.")), turn("Two?", said("Two."))])
        assert [m["content"] for m in told(result)["requests"][-1]] == ["One?", "One.", "Two?"]
    assert len(kept) == 2


def test_an_agent_executor_is_an_agent() -> None:
    """The old loop of LangChain; its answer is what it has as `output`."""
    try:
        from langchain.agents import AgentExecutor, create_tool_calling_agent
    except ImportError:
        agents = pytest.importorskip("langchain_classic.agents")
        AgentExecutor, create_tool_calling_agent = agents.AgentExecutor, agents.create_tool_calling_agent
    parts = [("placeholder", "{chat_history}"), ("user", "{input}"), ("placeholder", "{agent_scratchpad}")]
    loop = create_tool_calling_agent(model, [price], ChatPromptTemplate.from_messages(parts))
    executor = AgentExecutor(agent=loop, tools=[price])
    recorded = {"tool": "price", "args": {"item": "tea"}, "response": "3"}
    answers = calls([("price", {"item": "tea"})])
    result = play(executor, llm_responses=answers, tool_responses=[recorded])
    assert (ran, made(result)) == ([], [("price", {"item": "tea"})])
    assert (result.turns[0].output, result.outcome) == ("That is all.", FINE)


# -- MCP


@pytest.mark.parametrize(
    "response", ["12", [[{"type": "text", "text": "12"}], {"structured_content": {"result": "12"}}]]
)
def test_tools_of_an_mcp_server_are_answered(response: Any) -> None:
    """By the outermost layer: the server is asked for its tools alone."""
    adapters = pytest.importorskip("langchain_mcp_adapters.tools")
    memory = pytest.importorskip("mcp.shared.memory")
    server = pytest.importorskip("mcp.server.fastmcp").FastMCP("shop")

    @server.tool()  # type: ignore[untyped-decorator]
    def stock(item: str) -> str:
        """How many there are."""
        ran.append("stock")
        return "real"

    async def ask(input: str) -> Any:
        async with memory.create_connected_server_and_client_session(server._mcp_server) as session:
            agent = create_agent(model, await adapters.load_mcp_tools(session))
            return await agent.ainvoke({"messages": [("user", input)]})

    recorded = {"tool": "stock", "args": {"item": "tea"}, "response": response}
    answers = calls([("stock", {"item": "tea"})])
    result = play(ask, llm_responses=answers, tool_responses=[recorded])
    assert [(call["tool"], call["channel"]) for call in result.tool_calls] == [("stock", "langchain")]
    assert (ran, result.outcome) == ([], FINE)
    assert "12" in str(told(result)["requests"][-1][-1]["content"])
