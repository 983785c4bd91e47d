"""Which numbers of threads a measurement tries."""

from __future__ import annotations

import torch

from farthing.errors import UsageError
from farthing.hardware.machine import available_threads
from farthing.stages.train.threads import thread_counts


def read_threads(text: str | None, device: torch.device) -> tuple[int, ...]:
    """The numbers of threads to try, from `1,2`.

    Left out: 1, 2, 4, ... and all there are; on an accelerator only what torch has chosen.

    Raises:
        UsageError: no numbers, or more than this process may use.
    """
    there = available_threads()
    if text is None:
        if device.type != "cpu":
            return (torch.get_num_threads(),)
        return thread_counts(there)
    try:
        wanted = tuple(dict.fromkeys(int(word) for word in text.split(",")))
    except ValueError as error:
        raise UsageError(
            f"--threads {text}: these are no numbers", remedy="write it as --threads 1,2"
        ) from error
    for count in wanted:
        if not 1 <= count <= there:
            raise UsageError(
                f"--threads {text}: {count} is not possible",
                remedy=f"this process may use 1 to {there} hardware threads",
            )
    return wanted
