"""Documents that hold the questions of evaluation sets: found by word n-grams, then judged."""
