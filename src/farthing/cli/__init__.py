"""`farthing VERB`: parses, calls flow, prints. Importing it loads neither torch nor numpy."""
