"""Raw documents -> Corpus: split by work, near-duplicates removed, tokenised, with provenance."""
