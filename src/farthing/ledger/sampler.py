"""A thread that looks again and again, so that a long step loses neither energy nor its bill.

Counters wrap around and powers are integrated only where somebody reads them often enough; and a
run that is killed in the middle of a long operation is billed up to the last thing it wrote.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

SAMPLE_SECONDS = 1.0


class Sampler:
    """Calls one function at regular times, until it is stopped."""

    def __init__(self, call: Callable[[], object], *, seconds: float | None = None) -> None:
        """Begin to call.

        Args:
            call: must not raise; runs in a thread of its own.
            seconds: between two calls; by default `SAMPLE_SECONDS`.
        """
        self._call = call
        self._seconds = SAMPLE_SECONDS if seconds is None else seconds
        self._taken = 0.0
        self._stop = threading.Event()
        # A process that ends does not wait for it.
        self._thread = threading.Thread(target=self._run, name="farthing-sampler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No call begins after this returns; stopping twice does nothing."""
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    @property
    def processor_seconds(self) -> float:
        """What its thread had taken of the processor when it last looked."""
        return self._taken

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            self._call()
            self._taken = time.thread_time()
