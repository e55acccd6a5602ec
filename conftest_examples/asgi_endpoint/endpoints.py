"""How the chat of the API is asked and its answer read; the app runs inside of the test, without a server."""

import returns_api
import returns_api_broken

CHAT = {
    "path": "/chat",
    "request_template": {"message": "{prompt}", "session": "{session_id}", "today": "2026-04-20"},
    "response_path": "$.reply.text",
}

today = {"endpoint": returns_api.app, **CHAT}
that_day = {"endpoint": returns_api_broken.app, **CHAT}
