"""How good a document is: learned from examples or told by a model, kept by share."""
