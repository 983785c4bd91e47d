"""How far two members are apart on the same windows of text, and how sure that is.

Neighbouring windows belong to one document, or to documents that stand together in the sources:
where one of them suits a member, so does the next. Taken as independent they would promise more
than they know. So the windows of a domain are cut into blocks of neighbours, and the spread of the
blocks, each taken as one draw, gives the error (batch means; Flegal and Jones 2010,
arXiv 0811.1729).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Of each domain. As few as tell a spread to about a sixth of itself, so that blocks are as long as
# the text allows: they have to be longer than what makes neighbours alike.
BLOCKS = 20


@dataclass(frozen=True)
class PairedDifference:
    """How far one member is from another on the same windows, in bits per byte.

    Attributes:
        mean: first minus second, the mean over the domains; below 0 the first is better.
        standard_error: of that mean, blocks drawn independently within their domain; None where
            a domain has one window only, which says nothing about the spread.
        freedom: degrees of freedom of that error; None where it is None.
        windows: how many there were.
        blocks: of how many neighbouring windows' blocks the error is the spread, in all domains.
    """

    mean: float
    standard_error: float | None
    freedom: float | None
    windows: int
    blocks: int


def paired_over_blocks(differences: Sequence[npt.NDArray[np.float64]]) -> PairedDifference:
    """The mean over the domains, and its error from the spread of blocks.

    Args:
        differences: of each domain, what every window adds to its difference in bits per byte, in
            the order of the text; their sum is the domain's difference.
    """
    domains = len(differences)
    blocks = [min(BLOCKS, len(windows)) for windows in differences]
    variances = [
        _variance_of_sum(windows, count) if count > 1 else math.nan
        for windows, count in zip(differences, blocks, strict=True)
    ]
    whole = sum(variances)
    known = not math.isnan(whole)
    return PairedDifference(
        mean=sum(float(windows.sum()) for windows in differences) / domains,
        standard_error=math.sqrt(whole) / domains if known else None,
        freedom=_freedom(variances, blocks) if known else None,
        windows=sum(len(windows) for windows in differences),
        blocks=sum(blocks),
    )


def _variance_of_sum(windows: npt.NDArray[np.float64], blocks: int) -> float:
    """Of the sum over all windows; blocks differ by one window at most."""
    mean = windows.mean()
    apart = [part.sum() - len(part) * mean for part in np.array_split(windows, blocks)]
    return blocks / (blocks - 1) * float(np.square(apart).sum())


def _freedom(variances: Sequence[float], blocks: Sequence[int]) -> float:
    """Welch and Satterthwaite: a domain that makes most of the error counts for most of it."""
    apart = sum(v**2 / (count - 1) for v, count in zip(variances, blocks, strict=True))
    if apart == 0:
        return float(sum(blocks) - len(blocks))
    return sum(variances) ** 2 / apart
