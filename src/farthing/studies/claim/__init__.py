"""A claim about quality and cost against a named baseline, made so that a stranger can verify it.

    draft -> nonce -> run -> make -> (a verifier's nonce) -> answer

Each step is one module, and each can be repeated: what is there already is found again.
"""
