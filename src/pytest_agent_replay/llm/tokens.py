"""Requests for Google's access tokens, by which Gemini and Claude on Vertex AI are told who asks.

The credentials library makes them by itself, before the first request to a model and whenever a token is too old. They
are steps of the client, like opening a connection: neither a tool nor a model call. The metadata server of Google's own
machines is not known here.
"""

from __future__ import annotations

import re

from pytest_agent_replay.llm.env import PLACEHOLDER
from pytest_agent_replay.llm.rendering import json_reply
from pytest_agent_replay.player.http import HttpReply, HttpRequest

__all__ = ["is_token_request", "token_reply"]

_TOKENS = re.compile(r"^https://(oauth2\.googleapis\.com(:443)?/token|sts\.googleapis\.com(:443)?/v1/token)$")


def is_token_request(request: HttpRequest) -> bool:
    """Whether an access token is asked for: for a user, a service account, or an identity of another provider."""
    return request.method == "POST" and _TOKENS.match(request.url) is not None


def token_reply() -> HttpReply:
    """A placeholder as the token (RFC 6749, section 5.1), for sessions in which no model is asked for real."""
    token = {"access_token": PLACEHOLDER, "expires_in": 3599, "token_type": "Bearer"}
    return json_reply(200, [("content-type", "application/json; charset=utf-8")], token)
