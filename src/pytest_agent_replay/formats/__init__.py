"""What is on disk: replay files and contracts as typed models, loading with positions, writing, JSON Schema.

Knows nothing of agents or pytest.
"""
