"""The stages: each a function of its config and its input artifacts to one artifact."""
