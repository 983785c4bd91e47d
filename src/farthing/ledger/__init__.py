"""What work really used: meters, the signed book and its journals, and the bill they add up to."""
