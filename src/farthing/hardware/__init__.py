"""The catalogue: devices, prices, grids and sites, each figure with source, date and licence."""
