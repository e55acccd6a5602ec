"""Requests to a model API that ask no model to go on: embeddings, moderation, model lists, audio, what it keeps."""

from __future__ import annotations

import re
from typing import Any

from pytest_agent_replay.llm.neutral import ModelRequest, RecognisedOnly
from pytest_agent_replay.llm.providers import is_for_provider
from pytest_agent_replay.llm.reading import json_object, path_of
from pytest_agent_replay.player.http import HttpRequest

__all__ = ["OtherModelApi"]

_POSTED = re.compile(
    r"(?<!/chat)/(embeddings|moderations|completions|images/(?:generations|edits|variations)|audio/(?:speech|transcriptions|translations)"
    r"|responses/(?:compact|input_tokens|[^/]+/cancel)|conversations(?:/[^/]+(?:/items)?)?|messages/count_tokens|[^/]+:(?:embedContent|batchEmbedContents|countTokens))$"
)
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
        if pattern is None or pattern.search(path) is None:
            return None
        body = json_object(request.body) if request.method == "POST" else {}
        if not (_names_a_model(body) or is_for_provider(request)):
            return None
        return ModelRequest(
            wire=self, model=_model(body), messages=[], tools=[], stream=False, raw=body or {}, http=request
        )


def _names_a_model(body: dict[str, Any] | None) -> bool:
    return body is not None and isinstance(body.get("model"), str) and ("input" in body or "prompt" in body)


def _model(body: dict[str, Any] | None) -> str | None:
    model = (body or {}).get("model")
    return model if isinstance(model, str) else None
