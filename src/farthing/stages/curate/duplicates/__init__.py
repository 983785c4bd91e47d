"""Text that stands more than once in a pile: whole documents, nearly whole ones, lines, pieces."""
