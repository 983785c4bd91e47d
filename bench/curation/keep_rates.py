"""How many documents of each file the published rules keep, and how many each profile keeps.

    python bench/curation/keep_rates.py [--text FOLDER] [--json FILE]

Every document is held to every group of rules, whatever its language: what rules do to text that
they were not made for is what the table shows. Words are ours: Chinese characters are words by
themselves, so Gopher's limits on repetition are by character there. No figure is a target: which
text deserves to stay is not measured here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pile import batches, files_of, megabytes_of, read
from races import Outcome, one_thread, options, version_of

from farthing.documents.batch import text_bytes
from farthing.documents.measure import measure
from farthing.kernels.words import split_words
from farthing.stages.curate.profiles import Rule, shipped_profiles
from farthing.stages.curate.rules import failing

# Rules of the profile `web` by the beginning of their source, which names the table.
PUBLISHED = {
    "Gopher, quality": "Gopher, arXiv 2112.11446, A1.1",
    "Gopher, repetition": "Gopher, arXiv 2112.11446, table A1",
    "C4": "C4",
    "FineWeb": "FineWeb",
}


def groups() -> dict[str, Sequence[Rule]]:
    """The rules to hold documents to, by the title of their column."""
    profiles = shipped_profiles()
    web = profiles["web"].values()
    published = {
        title: [rule for rule in web if rule.source.startswith(begin)]
        for title, begin in PUBLISHED.items()
    }
    return {**published, **{f"`{name}`": list(rules.values()) for name, rules in profiles.items()}}


def kept_of(path: Path, wanted: Mapping[str, Sequence[Rule]]) -> tuple[int, float, list[int]]:
    """Documents of a file, their megabytes, and how many of them each group of rules keeps."""
    documents = list(read([path]))
    kept = [0] * len(wanted)
    for texts in batches(documents):
        signals = measure(texts, split_words(*text_bytes(texts)))
        for place, rules in enumerate(wanted.values()):
            kept[place] += int(np.sum(~failing(rules, signals).any(axis=1)))
    return len(documents), megabytes_of(documents), kept


def main() -> int:
    """Count; 0."""
    asked = options(__doc__).parse_args()
    one_thread()
    wanted, rows = groups(), []
    for path in files_of(asked.text):
        count, megabytes, kept = kept_of(path, wanted)
        if count:
            name = path.name.partition(".")[0]
            rows.append([name, f"{count:,}", f"{megabytes:,.1f}", *(f"{each:,}" for each in kept)])
    outcome = Outcome(
        "keep_rates",
        "Documents that rules keep",
        [0],
        ["all documents of each file; `web` is the four published groups together"],
    )
    outcome.table("Kept", ["file", "documents", "MB", *wanted], rows)
    outcome.versions = version_of("numba", "pyarrow")
    outcome.close(asked.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
