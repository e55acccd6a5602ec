"""Requests to a model API in which nothing recorded is given out.

Those that ask no model to go on (embeddings, moderation, model lists, audio, what it keeps), and conversations in
formats of which no more is known than that a model is asked.
"""

from __future__ import annotations

import re
from typing import Any

from pytest_agent_replay.llm.neutral import ModelRequest, RecognisedOnly
from pytest_agent_replay.llm.openai_messages import neutral_tools
from pytest_agent_replay.llm.providers import is_for_provider
from pytest_agent_replay.llm.reading import json_object, path_of
from pytest_agent_replay.player.http import HttpRequest

__all__ = ["OtherChatApi", "OtherModelApi"]

_POSTED = re.compile(
    r"(?<!/chat)/(embeddings|moderations|completions|images/(?:generations|edits|variations)|audio/(?:speech|transcriptions|translations)"
    r"|responses/(?:compact|input_tokens|[^/]+/cancel)|conversations(?:/[^/]+(?:/items)?)?|messages/count_tokens|[^/]+:(?:embedContent|batchEmbedContents|countTokens))$"
)
_PROVIDERS_OWN = re.compile(r"/api/embed$|/v[12]/(embed|rerank)$")
"""Paths of Ollama and Cohere that only count for a provider: other servers have them too."""
_CHATS = re.compile(r"/api/(chat|generate)$|/v[12]/(chat|generate)$|/v\d+(beta\d*)?/interactions$")
"""Ollama's own API, Cohere's, and Google's interactions."""
_LISTED = re.compile(r"/models(/[^/]+){0,2}$|/(?:responses|conversations)/[^/]+(?:/(?:input_)?items)?$")


class OtherModelApi(RecognisedOnly):
    """Known to belong to a model, so that a live run lets it pass; never answered from `llm_responses`.

    The paths are not unusual enough to go by them alone: the host must be a provider's, or the caller a provider's
    SDK, or the body name a model. Anything else (a tool's own `/v1/models`) is no model request.
    """

    name = "model.other"
    converses = False

    def recognise(self, request: HttpRequest) -> ModelRequest | None:
        """A POST to one of these APIs, or a GET of a model list."""
        path = path_of(request)
        pattern = _LISTED if request.method == "GET" else _POSTED if request.method == "POST" else None
        is_own = request.method == "POST" and _PROVIDERS_OWN.search(path) is not None
        if not is_own and (pattern is None or pattern.search(path) is None):
            return None
        body = json_object(request.body) if request.method == "POST" else {}
        if not ((_names_a_model(body) and not is_own) or is_for_provider(request)):
            return None
        return ModelRequest(
            wire=self, model=_model(body), messages=[], tools=[], stream=False, raw=body or {}, http=request
        )


class OtherChatApi(RecognisedOnly):
    """Asks a model, in a format in which recorded answers are not given out. Only the tools offered are read."""

    name = "model.chat"
    converses = True

    def recognise(self, request: HttpRequest) -> ModelRequest | None:
        """A POST of a conversation or a prompt to one of these APIs, at a provider or by its SDK."""
        if request.method != "POST" or _CHATS.search(path_of(request)) is None or not is_for_provider(request):
            return None
        body = json_object(request.body)
        if body is None or not any(body.get(key) for key in ("messages", "message", "prompt", "input")):
            return None
        tools = neutral_tools(body.get("tools"))
        return ModelRequest(
            wire=self, model=_model(body), messages=[], tools=tools, stream=False, raw=body, http=request
        )


def _names_a_model(body: dict[str, Any] | None) -> bool:
    return body is not None and isinstance(body.get("model"), str) and ("input" in body or "prompt" in body)


def _model(body: dict[str, Any] | None) -> str | None:
    model = (body or {}).get("model")
    return model if isinstance(model, str) else None
