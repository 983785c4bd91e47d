"""Finding the member with the fewest bits per byte that keeps within a limit."""
