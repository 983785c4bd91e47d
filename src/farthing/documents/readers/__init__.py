"""Readers: files of every format, cut into pieces that depend on the input alone, as batches."""
