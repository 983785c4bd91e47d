"""Tokens that stand for no text; apart from the tokenizer, which brings its compiled loops."""

from __future__ import annotations

END_OF_TEXT = "<|endoftext|>"
PAD = "<|pad|>"
SPECIAL_TOKENS = (END_OF_TEXT, PAD, "<|im_start|>", "<|im_end|>")
# Every byte is a token too.
MIN_VOCAB_SIZE = len(SPECIAL_TOKENS) + 256
