"""Complete run configurations in YAML, one file each, and how they are found, read and changed."""
