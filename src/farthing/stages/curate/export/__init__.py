"""A corpus in the formats of other training programs."""
