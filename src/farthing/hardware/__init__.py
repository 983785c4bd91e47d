"""The catalogue: processors, electricity grids and prices, each figure with source and date."""
