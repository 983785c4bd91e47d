"""Compiled loops over the bytes of texts: numbers in, numbers out; no file, no setting."""
