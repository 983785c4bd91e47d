"""Predicts what no count can: speed, loss, memory and layouts of accelerators, money."""
