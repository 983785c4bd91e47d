"""Records that could not be read as documents: each has a reason, a file and a line; all counted.

A bad record among good ones is left out and counted. A file in which many are bad was read with
the wrong expectations (another schema, another format): that ends the run, before anybody trains
on what was left. Files with few records, such as a folder of texts, are judged together: of one
alone, a single bad record would be a large share.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from farthing.errors import CorpusError

LISTED_PER_REASON = 20

# Files with fewer records are judged together; and so few bad records are no other schema.
FEW_RECORDS = 20
FEW_BAD = 2

# Pictures and error pages of an archive: not even strict reading minds them.
# The other benign ones happen to well-formed data too. All others speak of a wrong schema when
# they are many, and count for `check_share`.
NO_DOCUMENT = frozenset(["not_html", "http_status"])
BENIGN = (
    NO_DOCUMENT
    | {"empty_text", "empty_file", "truncated_file", "trailing_bytes", "bad_charset"}
    | {"too_deep", "too_long", "too_wide"}
)

# Said of a file as a whole, and no record of it.
OF_FILES = frozenset(["empty_file", "truncated_file", "trailing_bytes"])

_REMEDIES = {
    "not_json": 'write one object a line, such as {"id": "a", "text": "..."}',
    "not_object": 'write one object a line, such as {"id": "a", "text": "..."}',
    "not_utf8": "convert the file, for example: iconv -f ENCODING -t UTF-8",
    "lone_surrogate": r"remove the lone \ud800..\udfff escape: it is no character",
    "no_text": "name the key or column that holds the text under `columns` of the reading settings",
    "no_id": "give every record an id, or do not name an id under `columns`",
    "not_text": "the text has to be one string a record",
    "too_long": "split the document, or raise `most_document_bytes` of the reading settings",
    "truncated_file": "the file was cut short: fetch it again",
    "trailing_bytes": "the file goes on with something else: fetch it again, or cut that off",
    "too_deep": "leave the page out: its elements nest too deeply to be taken apart",
    "too_wide": "split the record, or keep only the fields that are read",
    "bad_domain": "name domains with up to 64 letters, digits, '-', '_' and '.'",
}
_REMEDY = "mend the record, or read without `strict` to leave it out and count it"
_DETAIL_CHARACTERS = 200

# Counts a record that cannot be read: (record, reason, detail, its bytes).
Refuse = Callable[[int, str, str, int], None]


class NamedFile(Protocol):
    """What a refusal has to know about the file that it stands in."""

    @property
    def number(self) -> int:
        """Among the files of the run, from 0."""

    @property
    def name(self) -> str:
        """What a person finds it by."""


@dataclass(frozen=True)
class Refusal:
    """One record that was left out.

    Attributes:
        reason: one of few words, such as "not_json".
        path: name of its file.
        record: line or row in that file, from 1; 0 for the file as a whole.
        detail: what exactly is wrong, at most 200 characters.
    """

    reason: str
    path: str
    record: int
    detail: str

    @property
    def what(self) -> str:
        """The refusal in one line."""
        where = f"{self.path}, record {self.record}" if self.record else self.path
        return f"{where}: {self.reason}" + (f" ({self.detail})" if self.detail else "")

    @property
    def remedy(self) -> str:
        """What a person may do about it."""
        return _REMEDIES.get(self.reason, _REMEDY)


class Refusals:
    """Counts what one reading leaves out; merged over pieces in their order, it is the run's.

    Attributes:
        strict: the first refusal is an error.
        records: number of records seen, kept or not, by number of the file.
        counts: number of refusals by (number of the file, reason).
        bytes: of those records as they stand in the file, unpacked, by the same.
        listed: the first `LISTED_PER_REASON` refusals of each reason.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self.records: Counter[int] = Counter()
        self.counts: Counter[tuple[int, str]] = Counter()
        self.bytes: Counter[tuple[int, str]] = Counter()
        self.listed: dict[str, list[Refusal]] = {}

    def add(
        self, reason: str, file: NamedFile, record: int, detail: str = "", size: int = 0
    ) -> None:
        """Count one record that is left out.

        Args:
            reason: one of few words.
            file: that it stands in.
            record: line or row in it, from 1; 0 for the file as a whole.
            detail: what exactly is wrong.
            size: bytes of the record as it stands in the file, unpacked.

        Raises:
            CorpusError: if reading is strict.
        """
        refusal = Refusal(reason, file.name, record, detail[:_DETAIL_CHARACTERS])
        if self.strict and reason not in NO_DOCUMENT:
            raise CorpusError(refusal.what, remedy=refusal.remedy)
        self.counts[file.number, reason] += 1
        self.bytes[file.number, reason] += size
        # A refusal of the file as a whole is none of a record.
        self.records[file.number] += record > 0
        listed = self.listed.setdefault(reason, [])
        if len(listed) < LISTED_PER_REASON:
            listed.append(refusal)

    def by_reason(self) -> dict[str, int]:
        """Number of refusals by reason, over all files; reasons in alphabetical order."""
        return _summed(self.counts)

    def bytes_by_reason(self) -> dict[str, int]:
        """Bytes of the refused records by reason, over all files, in the order of `by_reason`."""
        return _summed(self.bytes)

    def to_json(self) -> dict[str, Any]:
        """As plain data, for the manifest of a piece."""
        return {
            "records": {str(file): count for file, count in sorted(self.records.items())},
            "counts": [
                [file, reason, count, self.bytes[file, reason]]
                for (file, reason), count in sorted(self.counts.items())
            ],
            "listed": [asdict(one) for key in sorted(self.listed) for one in self.listed[key]],
        }


def merge_refusals(pieces: Iterable[dict[str, Any]]) -> Refusals:
    """The refusals of a run from those of its pieces (`Refusals.to_json`), in the pieces' order."""
    merged = Refusals()
    for piece in pieces:
        merged.records.update({int(file): count for file, count in piece["records"].items()})
        for file, reason, count, size in piece["counts"]:
            merged.counts[file, reason] += count
            merged.bytes[file, reason] += size
        for data in piece["listed"]:
            listed = merged.listed.setdefault(data["reason"], [])
            if len(listed) < LISTED_PER_REASON:
                listed.append(Refusal(**data))
    return merged


def check_share(refusals: Refusals, files: Sequence[NamedFile], most_refused: float) -> None:
    """End the run if some file has the wrong schema.

    Args:
        refusals: of the whole run.
        files: that were read.
        most_refused: share of a file's records that may be malformed.

    Raises:
        CorpusError: naming the worst file, what is wrong with how many of its records, and the
            first of them.
    """
    malformed: Counter[int] = Counter()
    for (number, reason), count in refusals.counts.items():
        if reason not in BENIGN:
            malformed[number] += count
    worst = worst_files(malformed, refusals.records, most_refused)
    if not worst:
        return
    reasons: Counter[str] = Counter()
    for (number, reason), count in sorted(refusals.counts.items()):
        if number in worst and reason not in BENIGN:
            reasons[reason] += count
    most = max(reasons, key=lambda reason: reasons[reason])
    names = {file.name for file in files if file.number in worst}
    first = next((one for one in refusals.listed.get(most, ()) if one.path in names), None)
    bad = [number for number in worst if malformed[number]]
    where = next(file.name for file in files if file.number == bad[0])
    if len(worst) > 1:
        where = f"{len(worst)} files with fewer than {FEW_RECORDS} records, such as {where}"
    count, records = reasons.total(), sum(refusals.records[number] for number in worst)
    raise CorpusError(
        f"{where}: {count} of {records} records cannot be read "
        f"({', '.join(f'{reason} {number}' for reason, number in sorted(reasons.items()))})"
        + (f"; the first: {first.what}" if first else ""),
        remedy=f"{_REMEDIES.get(most, 'mend the records')}; or let "
        f"`corpus.reading.most_refused`, now {most_refused:g}, be at least "
        f"{_rounded_up(count / records):g}: they are left out and counted then",
    )


def worst_files(
    bad: Mapping[int, int], records: Mapping[int, int], most_bad: float
) -> tuple[int, ...]:
    """The numbers of the file, or of the small files together, with too large a share of bad ones.

    Args:
        bad: number of bad records by number of the file.
        records: number of all records by number of the file.
        most_bad: share of them that may be bad. `FEW_BAD` may always be, unless it is 0 or nothing
            else was read.

    Returns:
        In order, where the share is largest; files without a record are not among them. Empty
        where no share is too large.
    """
    small = [number for number, count in records.items() if 0 < count < FEW_RECORDS]
    groups = [[number] for number, count in records.items() if count >= FEW_RECORDS]
    few = FEW_BAD if most_bad and sum(bad.values()) < sum(records.values()) else 0
    shares: dict[tuple[int, ...], float] = {}
    for group in ([small] if small else []) + groups:
        wrong, count = (sum(of.get(number, 0) for number in group) for of in (bad, records))
        if wrong > max(most_bad * count, few):
            shares[tuple(sorted(group))] = wrong / count
    return max(shares, key=lambda group: (shares[group], -group[0]), default=())


def _rounded_up(share: float) -> float:
    """A share with two digits that is not below it."""
    return math.ceil(share * 100) / 100


def _summed(counts: Mapping[tuple[int, str], int]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for (_, reason), count in counts.items():
        total[reason] += count
    return dict(sorted(total.items()))
