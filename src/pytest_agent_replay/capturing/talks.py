"""Which conversation a request to a model belongs to, and whether a turn begins with it, where nobody says so.

All that is known of a conversation is what its requests repeat: what user and assistant said. Messages of tools, and
those in which the model asked for them, are left aside, as many agents keep no more than the texts as history.

A request goes on with a conversation when it repeats what the user said, and the last answer; a history that was cut
at its beginning must end as the conversation does. A new turn is one more message of the user. What goes on with none
is another conversation when an agent asks that has begun one (by its system prompt and tools), and else a request
beside one: a title, a summary, a sub-agent.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pytest_agent_replay.formats.replay import LlmResponse
from pytest_agent_replay.llm.neutral import ModelRequest, is_error
from pytest_agent_replay.llm.reading import content_text

__all__ = ["Place", "Talk", "Talks"]

_MUCH_IN_COMMON = 0.5
"""The share of words (of tools) that the requests of one agent have in common: dates and names in prompts differ."""
_QUOTE = 20
"""Letters of a text that is no chance in another."""

_ANSWER_ID = re.compile(rb'"id"\s*:\s*"((?:resp|msg|thread)_[^"\\]+)"')

_Said = tuple[str, str]
"""Role and text."""


class _Asker(NamedTuple):
    """What tells one agent from another."""

    system: frozenset[str]
    tools: frozenset[str]

    def is_like(self, other: _Asker) -> bool:
        return _are_alike(self.system, other.system) and _are_alike(self.tools, other.tools)


def _are_alike(some: frozenset[str], others: frozenset[str]) -> bool:
    return some == others or len(some & others) >= _MUCH_IN_COMMON * len(some | others)


class _Heard:
    """What a request tells."""

    def __init__(self, request: ModelRequest) -> None:
        messages = request.messages
        system = " ".join(content_text(m.get("content")) for m in messages if m.get("role") == "system")
        self.asker = _Asker(frozenset(system.split()), frozenset(str(tool.get("name")) for tool in request.tools))
        self.said = list(_said(messages))
        self.users = [text for role, text in self.said if role == "user"]
        spoken = [m for m in messages if m.get("role") in ("user", "assistant", "tool")]
        if spoken and spoken[-1].get("role") == "assistant":  # the beginning of the answer, given by the agent
            spoken.pop()
        self.is_asked = bool(spoken) and spoken[-1].get("role") == "user"
        """A user speaks last."""
        asked = [m.get("content") for m in spoken if m.get("role") == "user"]
        self.input: Any = asked[-1] if asked else None
        self.kept_under = frozenset(_kept_under(request)) if request.continues else frozenset()
        """Names by which the provider knows what was said before."""


def _said(messages: Iterable[dict[str, Any]]) -> Iterator[_Said]:
    for message in messages:
        if message.get("role") in ("user", "assistant") and not message.get("tool_calls"):
            text = content_text(message.get("content")).strip()
            if text:
                yield message["role"], text


def _kept_under(request: ModelRequest) -> Iterator[str]:
    for key in ("previous_response_id", "conversation", "thread"):
        value = request.raw.get(key)
        value = value.get("id") if isinstance(value, dict) else value
        if isinstance(value, str):
            yield value


@dataclass(eq=False, slots=True)
class Talk:
    """A conversation, as its last request has it."""

    number: int
    turn: int = 0
    """The number of its present turn."""
    askers: list[_Asker] = field(default_factory=list)
    """The agents that spoke with this user."""
    said: list[_Said] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    answer: str | None = None
    """The model's last, when it was a text alone: the turn may be over."""
    asks: list[tuple[str, Any]] = field(default_factory=list)
    """The tools, with arguments, that the model's last answer asks for."""
    is_waiting: bool = False
    """The model has not answered yet."""
    known_as: set[str] = field(default_factory=set)
    """Names by which the provider knows it."""
    after: Talk | None = None
    """The one that was spoken with before, where this one began."""

    @property
    def is_final(self) -> bool:
        """The agent may have answered the user."""
        return self.answer is not None

    def is_of(self, asker: _Asker) -> bool:
        """Whether this agent has spoken with the user."""
        return any(asker.is_like(each) for each in self.askers)

    def hears(self, heard: _Heard) -> None:
        """A request goes on with it."""
        if not self.is_of(heard.asker):
            self.askers.append(heard.asker)
        if heard.kept_under:
            self.said += heard.said
            self.users += heard.users
            self.known_as |= heard.kept_under
        else:
            self.said, self.users = heard.said, heard.users
        self.answer, self.asks, self.is_waiting = None, [], True

    def answered(self, answer: LlmResponse, body: bytes) -> None:
        """What the model said to the last request."""
        self.known_as.update(found.decode() for found in _ANSWER_ID.findall(body))
        self.is_waiting = False
        self.asks = [(call.name, call.args) for call in answer.tool_calls]
        if not answer.tool_calls and not is_error(answer):
            self.answer = content_text(answer.content).strip() or None

    def goes_on(self, heard: _Heard) -> bool:
        """The request is one more turn of it: what was said, and one thing more by the user."""
        if not heard.is_asked or self.asks or not self.is_of(heard.asker):
            return False
        before = heard.said[:-1]
        count = len(self.users)
        if len(heard.users) > count and all(map(_same, self.users, heard.users)):
            since = before[_place_of_user(before, count) :]
            return self._was_answered(since, is_exact=heard.users[:count] == self.users)
        return self._ends(before)

    def _was_answered(self, since: list[_Said], *, is_exact: bool) -> bool:
        told = [text for role, text in since if role == "assistant"]
        if self.answer is None or not told:
            return is_exact
        return any(_same(self.answer, text) for text in (*told, "".join(told)))

    def _ends(self, before: list[_Said]) -> bool:
        """A history that was shortened has at least its end."""
        if self.answer is None or not before or not _same(self.answer, before[-1][1]) or before[-1][0] == "user":
            return False
        asked = [text for role, text in before if role == "user"]
        return not asked or (bool(self.users) and _same(self.users[-1], asked[-1]))

    def quoted_in(self, heard: _Heard) -> bool:
        """The request speaks about it."""
        spoken = [text for text in (*self.users[-1:], self.answer or "") if len(text) >= _QUOTE]
        return any(text in told for text in spoken for _, told in heard.said)


def _place_of_user(said: list[_Said], count: int) -> int:
    """The index behind the user's text number `count`."""
    places = [index for index, (role, _) in enumerate(said) if role == "user"]
    return places[count - 1] + 1 if 0 < count <= len(places) else 0


def _same(one: str, other: str) -> bool:
    """A text, and what an agent made of it: documents were put before a question, an answer was shortened."""
    return one == other or one in other or other in one


class Place(NamedTuple):
    """Where a request belongs."""

    talk: Talk
    input: Any = None
    """What the user said in the turn that begins with it."""
    begins: bool = False
    """A turn begins with it."""
    is_beside: bool = False
    """It is not what the user is answered by."""
    guess: str = ""
    """What was guessed."""
    after: Talk | None = None
    """The conversation that the running code asked for before."""
    joins: Talk | None = None
    """What was taken for a conversation, and was a request before this one: it looked at what the user says."""


_BESIDE = "whose a model request is that goes on with no conversation: it is kept in the turn before it"
_AGAIN = "whose a model request is that repeats another: it is taken for the same turn"

_here: ContextVar[Talk | None] = ContextVar("agent_replay_talk", default=None)


class Talks:
    """The conversations of one capture."""

    def __init__(self) -> None:
        self._talks: list[Talk] = []
        self._numbers = itertools.count(1)

    def forget(self) -> None:
        """The capture is over."""
        self._talks = []

    def here(self) -> Talk | None:
        """The conversation that the running code (task, thread) asked the model for."""
        talk = _here.get()
        return talk if talk in self._talks else None

    def of_call(self, tool: str, args: Any) -> tuple[Talk | None, bool]:
        """The conversation that a call of a tool belongs to, and whether that is sure; None before the first."""
        talk = self.here()
        if talk is None:
            asking = [each for each in self._talks if (tool, args) in each.asks]
            talk = asking[-1] if asking else None
        if talk is not None:
            return talk, not talk.is_final
        return (self._talks[-1], False) if self._talks else (None, True)

    def asked(self, request: ModelRequest) -> Place:
        """Where a request belongs."""
        heard, here = _Heard(request), self.here()
        place = self._place(heard, here)._replace(after=here)
        if place.begins and here is not None and here is not place.talk and here.after is place.talk:
            place = self._joined(place, here, heard)
        if not place.is_beside:
            place.talk.hears(heard)
            _here.set(place.talk)
        return place

    def _place(self, heard: _Heard, here: Talk | None) -> Place:
        if not self._talks:
            return self._another(heard)
        nearest = sorted(self._talks, key=lambda talk: (talk is here, talk.number), reverse=True)
        if heard.kept_under:
            return self._kept_by_provider(heard, here, nearest)
        same = [talk for talk in nearest if heard.users and talk.users == heard.users]
        for talk in sorted(same, key=lambda talk: (talk is not here, talk.is_final)):
            place = self._same_turn(talk, heard, is_here=talk is here)
            if place is not None:
                return place
        for talk in nearest:
            if talk.goes_on(heard):
                return Place(talk, heard.input, begins=True)
        return self._of_no_talk(heard, here, nearest)

    def _kept_by_provider(self, heard: _Heard, here: Talk | None, nearest: list[Talk]) -> Place:
        known = next((talk for talk in nearest if talk.known_as & heard.kept_under), None if heard.is_asked else here)
        if known is None:
            return self._another(heard)
        is_retry = not known.is_final and known.said[-len(heard.said) :] == heard.said
        return Place(known, heard.input, begins=heard.is_asked and not known.asks and not is_retry)

    @staticmethod
    def _same_turn(talk: Talk, heard: _Heard, *, is_here: bool) -> Place | None:
        """A further request of a turn; None when it is the first of somebody else's, who said the same."""
        if not talk.is_of(heard.asker):
            has_tools = any(asker.tools for asker in talk.askers)
            return Place(talk, is_beside=talk.is_final and has_tools and not heard.asker.tools)
        is_again = heard.is_asked and heard.said == talk.said and (talk.is_final or talk.is_waiting)
        if is_again and talk.is_final and not is_here and not any(role == "assistant" for role, _ in heard.said):
            return None
        return Place(talk, guess=_AGAIN if is_again else "")

    def _of_no_talk(self, heard: _Heard, here: Talk | None, nearest: list[Talk]) -> Place:
        if not heard.is_asked:
            asking = [talk for talk in nearest if talk.is_of(heard.asker) and talk.users[-1:] == heard.users[-1:]]
            if asking:
                return Place(asking[0])
        quoted = next((talk for talk in nearest if talk.quoted_in(heard)), None)
        is_like = any(talk.is_of(heard.asker) for talk in nearest)
        if is_like and quoted is None and heard.is_asked:
            is_alone = not any(heard.asker) and here is not None and not here.is_final
            if not is_alone:
                return self._another(heard)
        if here is None and quoted is None and heard.is_asked and all(talk.is_final for talk in nearest):
            return self._another(heard)
        talk = here or quoted or nearest[0]
        is_sure = talk is here and not talk.is_final
        return Place(talk, is_beside=True, guess="" if is_sure else _BESIDE)

    def _joined(self, place: Place, before: Talk, heard: _Heard) -> Place:
        if before.users != heard.users[-1:] or before.asks:
            return place
        self._talks.remove(before)
        return place._replace(after=place.talk, joins=before)

    def _another(self, heard: _Heard) -> Place:
        talk = Talk(next(self._numbers), after=self.here())
        self._talks.append(talk)
        return Place(talk, heard.input, begins=True)
