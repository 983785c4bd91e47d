"""Questions that take many runs or many members: comparisons with controls, member search."""
