"""What each step of curation is worth: one small model a version of the text, at equal cost."""
