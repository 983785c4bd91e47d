"""Names that cells are stored under and found by."""

from __future__ import annotations

# The plain run that spends the elastic run's FLOPs, beside those of given lengths.
SAME_FLOPS = "same FLOPs"
