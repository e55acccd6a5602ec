"""Requests for access tokens, by which models on Vertex AI and on Azure are told who asks.

The credentials libraries of Google and of Azure make them by themselves, before the first request to a model and
whenever a token is too old. They are steps of the client, like opening a connection: neither a tool nor a model call.
The metadata servers of machines in these clouds are not known here.
"""

from __future__ import annotations

import re

from pytest_agent_replay.llm.env import PLACEHOLDER
from pytest_agent_replay.llm.rendering import json_reply
from pytest_agent_replay.player.http import HttpReply, HttpRequest

__all__ = ["is_token_request", "token_reply"]

_TOKENS = re.compile(
    r"""^https://(
        oauth2\.googleapis\.com(:443)?/token
        | sts\.googleapis\.com(:443)?/v1/token
        | login\.(microsoftonline\.(com|us)|partner\.microsoftonline\.cn)(:443)?/[^/]+/oauth2/v2\.0/token
    )$""",
    re.VERBOSE,
)
_CONFIGURATION = re.compile(
    r"^(https://login\.(?:microsoftonline\.(?:com|us)|partner\.microsoftonline\.cn)(?::443)?/[^/]+)"
    r"/v2\.0/\.well-known/openid-configuration$"
)
"""Azure's library asks for it before the first token (OpenID Connect Discovery 1.0, section 4)."""
_ENDPOINTS = (("token", "token"), ("authorization", "authorize"), ("device_authorization", "devicecode"))


def is_token_request(request: HttpRequest) -> bool:
    """Whether an access token is asked for, or where there is one."""
    pattern = {"POST": _TOKENS, "GET": _CONFIGURATION}.get(request.method)
    return pattern is not None and pattern.match(request.url.partition("?")[0]) is not None


def token_reply(request: HttpRequest) -> HttpReply:
    """A placeholder as the token (RFC 6749, section 5.1), for sessions in which no model is asked for real."""
    body: dict[str, str | int] = {"access_token": PLACEHOLDER, "expires_in": 3599, "token_type": "Bearer"}
    asked = _CONFIGURATION.match(request.url.partition("?")[0])
    if asked is not None:
        endpoint = f"{asked.group(1)}/oauth2/v2.0"
        body = {"issuer": f"{asked.group(1)}/v2.0"}
        body |= {f"{name}_endpoint": f"{endpoint}/{path}" for name, path in _ENDPOINTS}
    return json_reply(200, [("content-type", "application/json; charset=utf-8")], body)
