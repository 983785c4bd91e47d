"""The language of short strings: farthing, py3langid and CLD2; how fast, and how often right.

    python bench/curation/race_languages.py [--text FOLDER] [--json FILE]

Strings of at most 200 characters from documents whose domain or language says `en`, `zh` or `code`.
The rivals know no class for code: theirs is left out of their share of right answers. Texts of
farthing's own sample are of the kinds that its weights were learned from, so its share there is no
test; on texts that it never saw it is one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from pile import Document, draw, files_of, read
from races import Outcome, Side, need, one_thread, options, race, version_of

from farthing.documents.batch import large_strings, text_bytes
from farthing.documents.language.identify import LANGUAGES, identify

LABELS = ("en", "zh", "code")
LETTERS = 200
_SHORTEST = 20


def label_of(document: Document) -> str | None:
    """What a document is said to be; None where that is none of the three."""
    for said in (document.domain, document.language):
        for label in LABELS:
            if said == label or said.startswith((f"{label}_", f"{label}-")):
                return label
    return None


def string_of(document: Document) -> str:
    """Whole lines from the middle of a text, as many as fit."""
    begin = document.text.find("\n", len(document.text) // 2) + 1
    return document.text[begin : begin + LETTERS].strip()


def ours(strings: Sequence[str]) -> list[str]:
    """What farthing answers."""
    codes, _ = identify(*text_bytes(large_strings(strings)))
    return [LANGUAGES[code] for code in codes]


def py3langid_answer(string: str) -> str:
    """py3langid's answer."""
    import py3langid

    return str(py3langid.classify(string)[0])


def cld2_answer(string: str) -> str:
    """CLD2's answer."""
    import pycld2

    try:
        return str(pycld2.detect(string.encode())[2][0][1])
    except pycld2.error:
        return "refused"


RIVALS: dict[str, Callable[[str], str]] = {
    "py3langid": py3langid_answer,
    "pycld2": cld2_answer,
}


def right(answers: Sequence[str], labels: Sequence[str], label: str) -> str:
    """The share of right answers among the strings of one label."""
    own = [answer for answer, said in zip(answers, labels, strict=True) if said == label]
    if not own:
        return ""
    return f"{sum(each.split('-')[0] == label for each in own) / len(own):.4f}"


def main() -> int:
    """Run the race; 0."""
    asked = options(__doc__).parse_args()
    one_thread()
    for name in RIVALS:
        need(name)
    labelled = (each for each in read(files_of(asked.text)) if label_of(each) is not None)
    documents = draw(labelled, asked.megabytes)
    pairs = [(string_of(each), str(label_of(each))) for each in documents]
    pairs = [(string, label) for string, label in pairs if len(string) >= _SHORTEST]
    strings, labels = [string for string, _ in pairs], [label for _, label in pairs]
    megabytes = sum(len(string.encode()) for string in strings) / 1e6
    sides = [Side("farthing", lambda: ours(strings), lambda: ours(strings[:10]))]
    for name, answer in RIVALS.items():
        sides.append(
            Side(
                name,
                lambda answer=answer: [answer(each) for each in strings],
                lambda answer=answer: answer(strings[0]),
            )
        )
    found = race(sides, megabytes, asked.rounds)
    outcome = Outcome(
        "race_languages",
        "The language of short strings, one thread",
        list(range(asked.rounds)),
        [f"{len(strings):,} strings of at most {LETTERS} characters"],
    )
    each_bytes = megabytes / len(strings)
    rows = []
    for name, rate in found.items():
        answers = ours(strings) if name == "farthing" else [RIVALS[name](s) for s in strings]
        shares = [
            right(answers, labels, label) if label != "code" or name == "farthing" else "no class"
            for label in LABELS
        ]
        rows.append([name, rate.inverse(1).inverse(1 / each_bytes), rate, *shares])
    columns = ["program", "strings/CPU-s", "MB/CPU-s", *(f"{label} right" for label in LABELS)]
    outcome.table("Rates and right answers", columns, rows)
    outcome.versions = version_of(*RIVALS, "numba")
    outcome.close(asked.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
