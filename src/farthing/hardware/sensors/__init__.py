"""Sensors of energy behind one interface: counters of processors and boards, power, readings."""
