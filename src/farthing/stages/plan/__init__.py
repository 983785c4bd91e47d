"""Goal and limits to a plan: the family to train, what it will take, how good it will be."""
