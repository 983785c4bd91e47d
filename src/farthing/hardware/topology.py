"""Which hardware threads are siblings of one core, and shares of them that keep siblings together.

Siblings compete for one core's units: in two processes, each would slow the other down.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

# Linux: https://docs.kernel.org/admin-guide/cputopology.html
_CPUS = Path("/sys/devices/system/cpu")


def cores_of(threads: Sequence[int], *, cpus: Path = _CPUS) -> list[tuple[int, ...]]:
    """The hardware threads, those of one core together; cores in the order of their first thread.

    Args:
        threads: numbers of the operating system's, each once.
        cpus: the kernel's folder about them. A thread of which it says nothing, as on every other
            system, is a core by itself.
    """
    cores: dict[frozenset[int], list[int]] = {}
    for thread in threads:
        cores.setdefault(_siblings(thread, cpus), []).append(thread)
    return [tuple(core) for core in cores.values()]


def shares_of(cores: Sequence[tuple[int, ...]], shares: int) -> list[tuple[int, ...]]:
    """All hardware threads in so many shares, as even as can be, then as few cores cut as can be.

    Cores go round the shares in turn, the largest first; without siblings that is every so manyth
    thread.

    Args:
        cores: as `cores_of` gives them.
        shares: at least 1, at most as many as there are threads.
    """
    whole, rest = divmod(sum(len(core) for core in cores), shares)
    sizes = [whole + (share < rest) for share in range(shares)]
    held: list[list[int]] = [[] for _ in range(shares)]
    cut: list[int] = []
    for core in sorted(cores, key=len, reverse=True):
        roomy = [each for each in range(shares) if len(held[each]) + len(core) <= sizes[each]]
        if roomy:
            held[min(roomy, key=lambda each: len(held[each]))] += core
        else:
            cut += core
    for share, size in zip(held, sizes, strict=True):
        missing = size - len(share)
        share += cut[:missing]
        del cut[:missing]
    return [tuple(sorted(share)) for share in held]


def _siblings(thread: int, cpus: Path) -> frozenset[int]:
    """As the kernel lists them, `0,4` or `0-1`."""
    path = cpus / f"cpu{thread}" / "topology" / "thread_siblings_list"
    try:
        listed = path.read_text(encoding="ascii").strip()
        ends = [[int(end) for end in part.split("-")] for part in listed.split(",")]
    except (OSError, ValueError):
        return frozenset({thread})
    return frozenset(n for part in ends for n in range(part[0], part[-1] + 1)) | {thread}
