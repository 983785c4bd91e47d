"""Processor time of named parts of a program, taken inside of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import Any
from unittest.mock import patch

# (part, owner, name): a function of a module, or a method or cached property of a class.
Place = tuple[str, Any, str]


@dataclass
class Parts:
    """What was spent, by part; a part inside another belongs to both.

    Attributes:
        cpu_seconds: of the calling thread.
        wall_seconds: by the clock on the wall, waiting for disks included.
        calls: how many there were.
    """

    cpu_seconds: Counter[str] = field(default_factory=Counter)
    wall_seconds: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens inside."""
        cpu, wall = time.thread_time(), time.perf_counter()
        try:
            yield
        finally:
            self.cpu_seconds[name] += time.thread_time() - cpu
            self.wall_seconds[name] += time.perf_counter() - wall
            self.calls[name] += 1


@contextmanager
def timed(*places: Place) -> Iterator[Parts]:
    """Count the processor time of these functions while the block runs."""
    parts = Parts()
    with ExitStack() as stack:
        for name, owner, attribute in places:
            timed_one = _timed(parts, name, getattr(owner, attribute), owner, attribute)
            stack.enter_context(patch.object(owner, attribute, timed_one))
        yield parts


def _timed(parts: Parts, name: str, inner: Any, owner: Any, attribute: str) -> Any:  # noqa: ANN401
    if not isinstance(inner, cached_property):
        return _around(parts, name, inner)
    made: cached_property[Any] = cached_property(_around(parts, name, inner.func))
    made.__set_name__(owner, attribute)
    return made


def _around(parts: Parts, name: str, inner: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(inner)
    def around(*values: Any, **named: Any) -> Any:  # noqa: ANN401 - as the function has it
        with parts.part(name):
            return inner(*values, **named)

    return around
