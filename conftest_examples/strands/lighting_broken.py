"""The agent on the evening of the incident, by itself: nothing looks at what the desk said."""

from __future__ import annotations

from lighting import made

agent = made()
