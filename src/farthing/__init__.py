"""farthing: one elastic pre-training run, a family of language models, and a checkable bill."""

__version__ = "0.1.0"
