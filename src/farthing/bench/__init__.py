"""How fast a machine takes a recipe's training step, part by part, and how far from its floor."""
