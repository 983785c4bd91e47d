"""Which documents stay by the language that their text is in."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from farthing.documents.language.identify import LANGUAGES
from farthing.stages.curate.settings.languages import LanguagesConfig

# The reasons why a document is dropped: its language, or that nobody can tell it.
REASONS = (*(f"language:{name}" for name in LANGUAGES), "language:unsure")


def judge_languages(
    codes: npt.NDArray[np.int8], confidence: npt.NDArray[np.float32], config: LanguagesConfig
) -> npt.NDArray[np.int16]:
    """Which documents of a batch fail by their language, and why.

    Args:
        codes: int8 [D], as of `identify`.
        confidence: float32 [D], as of `identify`.
        config: which languages stay.

    Returns:
        int16 [D], places in `REASONS`, -1 for documents that stay.
    """
    reasons = np.full(len(codes), -1, dtype=np.int16)
    if config.keep is None:
        return reasons
    reasons[confidence < np.float32(config.least_confidence)] = REASONS.index("language:unsure")
    kept = np.isin(codes, [LANGUAGES.index(name) for name in config.keep])
    reasons[~kept] = codes[~kept]
    return reasons
