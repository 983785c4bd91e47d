"""Corpus to supernet: one elastic pre-training run."""
