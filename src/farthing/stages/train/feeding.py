"""Batches prepared ahead: while the device computes, a thread reads and counts the next ones.

The order of batches is a function of their number (text/order.py), so preparing them ahead can
change nothing but the time a step waits. On CPU the thread would only take turns with the step
that it feeds: there, batches are prepared when they are asked for (half a millisecond for 8,000
tokens).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from farthing.text.batches import Batch

# Prepared and waiting. One would do, were all batches equally fast to read.
AHEAD = 2
# How long the thread waits for a place before it looks whether it should stop.
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class FedBatch:
    """One batch where it is needed.

    Attributes:
        tokens: int64 (B, W), on the device.
        attended_pairs: as `Batch` counts them.
        digest: as `Batch` has it.
    """

    tokens: Tensor
    attended_pairs: int
    digest: str


class Feed:
    """Gives batches one after the other; a context manager, because it may hold a thread.

    with Feed(batches.batch, places, device) as feed:
        batch = feed.next(first, count)
    """

    def __init__(
        self,
        load: Callable[[int, int], Batch],
        places: Iterable[tuple[int, int]],
        device: torch.device,
        *,
        ahead: int | None = None,
    ) -> None:
        """Feed `load(first, count)` for each of `places`, in their order.

        Args:
            load: reads a batch; called by one thread at a time.
            places: first sequence and number of sequences of each batch to come.
            device: where the tokens go.
            ahead: batches prepared before they are asked for; 0 for none. None for `AHEAD`, and
                none on CPU.
        """
        self._load = load
        self._places = places
        self._device = device
        if ahead is None:
            ahead = 0 if device.type == "cpu" else AHEAD
        self._items = self._prepare_all()
        self._error: Exception | None = None
        self._stop = threading.Event()
        self._ready: queue.Queue[_Prepared | Exception] | None = None
        self._thread: threading.Thread | None = None
        if ahead:
            self._ready = queue.Queue(maxsize=ahead)
            self._thread = threading.Thread(target=self._fill, name="feed", daemon=True)
            self._thread.start()

    def next(self, first: int, count: int) -> FedBatch:
        """The next batch, which must be the one that starts at `first` with `count` sequences.

        Raises:
            Exception: whatever reading this batch raised; the batches before it were given.
        """
        if self._error is not None:
            raise self._error
        prepared = next(self._items) if self._ready is None else self._ready.get()
        if isinstance(prepared, Exception):
            self._error = prepared
            raise prepared
        assert prepared.place == (first, count), f"fed {prepared.place}, asked {(first, count)}"
        tokens = prepared.tokens
        if self._device.type != "cpu":
            # Out of pinned memory, and on the stream that will read them: no one waits.
            tokens = tokens.to(self._device, non_blocking=True)
        return FedBatch(tokens, prepared.batch.attended_pairs, prepared.batch.digest)

    def close(self) -> None:
        """Stop the thread, whatever it is doing; batches that wait are dropped."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _prepare_all(self) -> Iterator[_Prepared | Exception]:
        """Every batch, then what went wrong."""
        try:
            for first, count in self._places:
                batch = self._load(first, count)
                # Counted once and kept: here, where a thread may do it while nobody waits.
                _ = batch.attended_pairs, batch.digest
                tokens = torch.from_numpy(batch.tokens)
                if self._device.type != "cpu":
                    tokens = tokens.pin_memory()
                yield _Prepared((first, count), batch, tokens)
        except Exception as error:  # noqa: BLE001 - raised again by the step that it concerns
            yield error
        yield IndexError("there is no batch after the last one")

    def _fill(self) -> None:
        for prepared in self._items:
            if not self._put(prepared):
                return

    def _put(self, prepared: _Prepared | Exception) -> bool:
        """Wait for a place in the queue; False if the feed was closed meanwhile."""
        assert self._ready is not None
        while not self._stop.is_set():
            try:
                self._ready.put(prepared, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False


@dataclass(frozen=True)
class _Prepared:
    place: tuple[int, int]
    batch: Batch
    tokens: Tensor
