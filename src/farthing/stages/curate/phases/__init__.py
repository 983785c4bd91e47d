"""The phases of curation: maps over pieces and decisions over columns, in the order of `run`."""
