"""Elastic training against its controls, at equal cost."""
