"""The agent on the day of the incident: the model was left to tell that a booking had failed."""

from __future__ import annotations

import appointments

agent = appointments.agent.clone(tool_use_behavior="run_llm_again")
