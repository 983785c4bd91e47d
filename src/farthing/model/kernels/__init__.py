"""The arithmetic of a step, each piece behind one function: a fast path where there is one, and
the plain version in torch's operators, which defines what it computes.
"""
