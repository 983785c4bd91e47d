"""The arithmetic of a step, each piece behind one function.

A function takes a fast path where there is one. Beside it stands its plain version in torch's
operators: what defines the result, what computes everywhere else, and what tests compare with.
"""
