"""The sections of the corpus settings, one a file."""
