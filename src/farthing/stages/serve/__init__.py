"""Models at work: what a member writes when asked."""
