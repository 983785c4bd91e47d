"""Levels 2 to 4 of a claim: what only computing can check, with the code that the verifier chose.

    pinned      2   the released models, scored again on the claim's own held-out text
    overlap     2   held-out text that stands in the training text
    fresh       2   the released models on text that the verifier brings
    segments    3   chosen segments of the trainings, taken again from their checkpoints
    rerun       4   a whole training of the method and one of the baseline, from their seeds

Each returns findings. Every file of an answer is a stranger's: tensors are safetensors, sizes are
compared with what the registered recipe needs before anything is read, and nothing is unpickled.
"""
