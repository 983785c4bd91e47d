"""Personal data and keys of a batch of texts replaced by what they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from farthing.documents.batch import large_strings, text_bytes
from farthing.kernels.find import suspects
from farthing.stages.curate.privacy.patterns import Finding, judge
from farthing.stages.curate.settings.privacy import EVERY_KIND, Kind, PrivacyConfig

# The columns of all counts.
KINDS = EVERY_KIND
MASKS: Mapping[Kind, bytes] = {
    "email": b"<EMAIL>",
    "ip": b"<IP>",
    "phone": b"<PHONE>",
    "id": b"<ID>",
    "card": b"<ID>",
    "key": b"<KEY>",
}

Counts = npt.NDArray[np.int32]


def wanted_kinds(
    config: PrivacyConfig, profiles: Sequence[str], profile_of: npt.NDArray[np.integer]
) -> npt.NDArray[np.bool_]:
    """Which kinds are masked in which document.

    Args:
        config: the settings.
        profiles: names of profiles.
        profile_of: [D], places in `profiles`.

    Returns:
        bool [D, KINDS].
    """
    wanted = np.zeros((len(profiles), len(KINDS)), dtype=np.bool_)
    for row, name in zip(wanted, profiles, strict=True):
        row[:] = [kind in config.mask and kind not in config.not_in.get(name, ()) for kind in KINDS]
    return wanted.take(profile_of, axis=0)


def mask(
    texts: pa.LargeStringArray, wanted: npt.NDArray[np.bool_] | None = None
) -> tuple[pa.LargeStringArray, Counts]:
    """Replace what is found in each text; masking twice changes nothing.

    Args:
        texts: without nulls.
        wanted: bool [D, KINDS], which kinds in which text; None for all.

    Returns:
        texts: the same object where nothing was found in any of them.
        counts: int32 [D, KINDS], how many were replaced.
    """
    data, offsets = text_bytes(texts)
    if wanted is None:
        wanted = np.ones((len(texts), len(KINDS)), dtype=bool)
    changed, counts = _masked(data, offsets, wanted)
    if not changed:
        return texts, counts
    # What stood beside a mask may be seen for what it is only now.
    numbers = sorted(changed)
    again, more = mask(large_strings([changed[n].decode() for n in numbers]), wanted[numbers])
    counts[numbers] += more
    return _replaced(data, offsets, dict(zip(numbers, again, strict=True))), counts


def _masked(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], wanted: npt.NDArray[np.bool_]
) -> tuple[dict[int, bytes], Counts]:
    """The texts that change, by number, after one round."""
    counts = np.zeros((len(offsets) - 1, len(KINDS)), dtype=np.int32)
    changed: dict[int, bytes] = {}
    places, suspicions, firsts = suspects(data, offsets)
    for number in np.flatnonzero(np.diff(firsts) * wanted.any(axis=1)):
        # Patterns look around their place: they must not see the neighbours in the batch.
        document = data[offsets[number] : offsets[number + 1]].tobytes()
        some = slice(firsts[number], firsts[number + 1])
        inside = (places[some] - offsets[number]).tolist()
        judged = map(judge, [document] * len(inside), inside, suspicions[some].tolist())
        kept = [
            finding
            for finding in judged
            if finding is not None and wanted[number, KINDS.index(finding.kind)]
        ]
        if kept:
            changed[int(number)] = _rewritten(document, kept, counts[number])
    return changed, counts


def _rewritten(document: bytes, findings: list[Finding], counts: Counts) -> bytes:
    """The text with masks; of findings that overlap, the one that begins first, or is longer."""
    parts, done = [], 0
    findings.sort(key=lambda finding: (finding.begin, -finding.end))
    for finding in findings:
        if finding.begin < done:
            continue
        parts += [document[done : finding.begin], MASKS[finding.kind]]
        counts[KINDS.index(finding.kind)] += 1
        done = finding.end
    return b"".join([*parts, document[done:]])


def _replaced(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    changed: Mapping[int, pa.LargeStringScalar],
) -> pa.LargeStringArray:
    """A new array; stretches of texts that stay are copied in one piece."""
    lengths = np.diff(offsets)
    parts: list[bytes | memoryview] = []
    done = offsets[0]
    for number, text in changed.items():
        new = text.as_py().encode()
        parts += [data[done : offsets[number]].data, new]
        lengths[number] = len(new)
        done = offsets[number + 1]
    parts.append(data[done : offsets[-1]].data)
    places = np.zeros(len(offsets), dtype=np.int64)
    np.cumsum(lengths, out=places[1:])
    return pa.LargeStringArray.from_buffers(
        len(lengths), pa.py_buffer(places), pa.py_buffer(b"".join(parts))
    )
