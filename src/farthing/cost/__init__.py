"""Predicts: parameters and FLOPs, exactly, from a configuration and a shape."""
