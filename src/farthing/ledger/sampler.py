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
            call: runs in a thread of its own. What it raises is told the way Python tells it of
                threads (`threading.excepthook`), once as long as it stays the same, and the calls
                go on.
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
        told = ""
        while not self._stop.wait(self._seconds):
            try:
                self._call()
                told = ""
            except Exception as error:  # noqa: BLE001 - told, and what follows is still looked at
                if (text := repr(error)) != told:
                    told = text
                    _tell(error, self._thread)
            self._taken = time.thread_time()


def _tell(error: Exception, thread: threading.Thread) -> None:
    kind, traceback = type(error), error.__traceback__
    threading.excepthook(threading.ExceptHookArgs((kind, error, traceback, thread)))
