"""The agents of the project's own replays. Each comes twice: as it is now, and as it was when the incident happened."""
