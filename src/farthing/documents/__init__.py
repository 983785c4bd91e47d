"""Raw documents as record batches: readers, language, signals of quality."""
