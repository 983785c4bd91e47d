"""Levels 0 and 1 of a claim: what its files and its arithmetic say, without a model.

Nothing here imports what made the figures: shapes are read, FLOPs counted, hours added up and
statistics done a second time, from the definitions alone.
"""
