"""SIGTERM and Ctrl-C: the first asks for a stop at the next step boundary, the second leaves."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class StopRequest:
    """Which signal asked for a stop, if any."""

    signal_name: str | None = None


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Collect a first signal instead of dying from it; a second one acts as usual.

    Outside the main thread Python allows no handlers: then nothing is caught.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        request.signal_name = signal.Signals(number).name
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in _SIGNALS:
        signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
