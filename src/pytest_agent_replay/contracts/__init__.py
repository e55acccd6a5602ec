"""What an agent must and must not do: contracts, their checks, and the verdict over a trace."""
