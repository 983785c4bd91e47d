"""The language of every text of a batch: the script decides what it can, n-grams the rest.

English, Chinese, program code and mathematics in LaTeX are told apart by softmax regression on
hashed runs of 1 to 4 characters; so are they from other languages in Latin letters, which are not
told from each other. Classical and modern Chinese are both "zh", simplified or traditional
(`traditional_share` tells those).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from farthing.documents.language import scripts
from farthing.documents.language.scripts import SCRIPTS, count_scripts, script_table
from farthing.documents.language.weights import BITS, CLASSES, Weights, shipped_weights
from farthing.kernels.linear import linear_scores
from farthing.kernels.snippets import MOST_GRAMS, gram_features, snippets_of

# A code is a place in this table. "und" is a text without a letter.
LANGUAGES = (*CLASSES, "ja", "ko", "und")

_AT_ONCE = 256  # snippets whose features lie in memory together: about 2 MB
_JAPANESE = 0.1  # least kana among the characters of East Asia; Chinese quotes far fewer
_KOREAN = 0.3
_EAST_ASIAN = 0.15  # least share of the letters; below, a name is quoted in another language
_CHINESE = 0.25  # of the letters; a Han character says as much as three Latin letters
_AMONG_LATEX = 0.05  # Chinese mathematics is Chinese; its commands are Latin letters
_FOREIGN = 0.5  # least share of the letters that are neither Latin nor East Asian


def identify(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], weights: Weights | None = None
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """The language of each text, from its first characters and a few stretches further on.

    Args:
        data: uint8, valid UTF-8.
        offsets: int64 [D + 1]; text d is `data[offsets[d] : offsets[d + 1]]`.
        weights: to be used instead of those that farthing ships.

    Returns:
        codes: int8 [D], places in `LANGUAGES`.
        confidence: float32 [D] in 0..1: the mean probability over the stretches, or the share of
        the letters where the script decides; 0 for "und".
    """
    begins, ends, firsts = snippets_of(data, offsets)
    texts = len(offsets) - 1
    codes, confidence = np.zeros(texts, dtype=np.int8), np.zeros(texts, dtype=np.float32)
    if not texts:
        return codes, confidence
    chances = _class_chances(data, begins, ends, weights or shipped_weights())
    counts_of_texts = np.diff(firsts)[:, None]
    means = np.add.reduceat(chances, firsts[:-1], axis=0) / counts_of_texts
    codes[:] = means.argmax(axis=1)
    confidence[:] = means.max(axis=1)
    letters = _letters(data, begins, ends, firsts)
    latex = codes == LANGUAGES.index("maths")
    for name, decided, share in _decided_by_script(letters, latex):
        codes[decided] = LANGUAGES.index(name)
        confidence[decided] = share[decided]
    return codes, confidence


def traditional_share(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """How much of what is written in only one of the two Chinese scripts is traditional.

    Returns:
        float32 [D] in 0..1 for the stretches that `identify` looks at; NaN where both scripts
        would write them alike, or they are not Chinese.
    """
    begins, ends, firsts = snippets_of(data, offsets)
    if len(offsets) == 1:
        return np.zeros(0, dtype=np.float32)
    letters = _letters(data, begins, ends, firsts)
    traditional = letters[:, scripts.TRADITIONAL].astype(np.float64)
    both = traditional + letters[:, scripts.SIMPLIFIED]
    share = np.full(len(both), np.nan)
    np.divide(traditional, both, out=share, where=both > 0)
    return share.astype(np.float32)


def _class_chances(
    data: npt.NDArray[np.uint8],
    begins: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    weights: Weights,
) -> npt.NDArray[np.float64]:
    """Probabilities [snippets, classes]."""
    scores = np.empty((len(begins), len(CLASSES)))
    features = np.empty(_AT_ONCE * MOST_GRAMS, dtype=np.int32)
    for first in range(0, len(begins), _AT_ONCE):
        some = slice(first, min(first + _AT_ONCE, len(begins)))
        rows = np.zeros(some.stop - first + 1, dtype=np.int64)
        gram_features(data, begins[some], ends[some], BITS, features, rows)
        linear_scores(features, rows, weights.steps, scores[some])
    scores *= weights.size
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores


def _letters(
    data: npt.NDArray[np.uint8],
    begins: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    firsts: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Letters of the snippets of each text by script, [texts, SCRIPTS]."""
    counts = np.zeros((len(begins), SCRIPTS), dtype=np.int64)
    count_scripts(data, begins, ends, script_table(), counts)
    return np.add.reduceat(counts, firsts[:-1], axis=0)


def _decided_by_script(
    letters: npt.NDArray[np.int64], latex: npt.NDArray[np.bool_]
) -> list[tuple[str, npt.NDArray[np.bool_], npt.NDArray[np.float64]]]:
    """Language, which texts are in it, and how much of their letters says so."""
    whole = np.maximum(letters.sum(axis=1), 1)
    kana, hangul = letters[:, scripts.KANA], letters[:, scripts.HANGUL]
    han = letters[:, [scripts.HAN, scripts.SIMPLIFIED, scripts.TRADITIONAL]].sum(axis=1)
    asian = han + kana + hangul
    much = asian > _EAST_ASIAN * whole
    foreign = letters[:, scripts.OTHER] / whole
    return [
        ("other", foreign > _FOREIGN, foreign),
        ("zh", han > np.where(latex, _AMONG_LATEX, _CHINESE) * whole, han / whole),
        ("ja", much & (kana > _JAPANESE * asian), asian / whole),
        ("ko", much & (hangul > _KOREAN * asian), asian / whole),
        ("und", letters.sum(axis=1) == 0, np.zeros(len(letters))),
    ]
