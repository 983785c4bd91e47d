"""Models to score matrix: what every member of a family can do, and what it costs to run."""
