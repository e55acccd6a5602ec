"""Capture: a replay file of what an agent really does, in production or wherever it runs.

Everything runs for real. The interceptors of replays say what happens to a session that only observes, and at the end
a replay file is written of it. No error of this package ever reaches the agent.
"""
