"""Supernet and shape to sub-model: a member that stands alone."""
