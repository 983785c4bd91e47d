"""JSON from a stranger: one meaning, bounded depth, or refused.

Python's reader takes duplicate keys (the last one wins), NaN, and nesting until the stack ends.
Two readers of one signed text could then believe different things, so nothing of that passes.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from itertools import accumulate
from typing import Any, NoReturn

import rfc8785

from farthing.artifacts.canonical import canonical_json
from farthing.errors import ClaimError

DEEPEST = 64
# What a statement of a hundred thousand files needs, some times over; some hundred megabytes once
# read, whatever the text says.
MOST_VALUES = 2_000_000

# Integers of RFC 8785; a float of 2**53 and more is written without exponent up to 1e21 and must
# not come back as an integer.
_LARGEST_INTEGER = 2**53 - 1
_LONGEST_INTEGER = 22
_LONGEST_FLOAT = 400

# A string that never ends is taken as well: the search then stays linear.
_STRINGS = re.compile(rb'"(?>(?:[^"\\]++|\\.)*)"?', re.DOTALL)
_BRACKETS = re.compile(rb"[^\[\]{}]++")
_STEP = tuple(
    {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}.get(each, 0) for each in range(256)
)
_REMEDY = "ask the sender for the file as farthing wrote it"
_SHOWN = 60


def parse_strict(data: bytes, *, depth: int = DEEPEST, canonical: bool = False) -> Any:  # noqa: ANN401
    """The JSON value of `data`.

    Args:
        data: UTF-8; how long it may be is the caller's to bound.
        depth: the most that arrays and objects may be nested; counted before anything is built.
        canonical: whether `data` must also be the RFC 8785 form of its value, byte for byte.

    Raises:
        ClaimError: not UTF-8, not JSON, nested too deep, too many values, a key twice in one
            object, a lone surrogate, NaN, an infinity, a number that a double does not hold, or
            another spelling than the canonical one where that is asked for.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refused(f"byte {error.start} is not UTF-8") from error
    _check_form(data, depth)
    try:
        value = _READER.decode(text)
        # Only an escape can make a lone surrogate, which is no text and cannot be written.
        written = canonical_json(value) if canonical or b"\\u" in data else data
    except json.JSONDecodeError as error:
        raise _refused(f"no JSON: {error.msg} at character {error.pos}") from error
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise _refused(f"a value without canonical form ({error})") from error
    except RecursionError as error:
        raise _refused("nested too deep") from error
    if canonical and written != data:
        raise _refused("the text is not the canonical form (RFC 8785) of its value")
    return value


def parse_strict_line(line: bytes) -> Any:  # noqa: ANN401
    """The JSON value of one of many short lines: like `parse_strict`, in a third of its time.

    How deep it is nested and how many values it has is not counted before it is built, so the
    caller bounds the line's length; nesting ends where Python's own bound is.

    Args:
        line: UTF-8, with its newline or without.

    Raises:
        ClaimError: as of `parse_strict`.
    """
    try:
        return _READER.decode(line.decode("utf-8"))
    except json.JSONDecodeError as error:
        raise _refused(f"no JSON: {error.msg} at character {error.pos}") from error
    except UnicodeDecodeError as error:
        raise _refused(f"byte {error.start} is not UTF-8") from error
    except RecursionError as error:
        raise _refused("nested too deep") from error


def _check_form(data: bytes, depth: int) -> None:
    """Count brackets and commas outside of strings, without building anything."""
    bare = _STRINGS.sub(b"", data)
    if sum(map(bare.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise _refused(f"more than {MOST_VALUES} values")
    levels = accumulate(map(_STEP.__getitem__, _BRACKETS.sub(b"", bare)), initial=0)
    if max(levels) > depth:
        raise _refused(f"nested deeper than {depth} levels")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen = Counter(key for key, _ in pairs)
        twice = next(key for key, often in seen.items() if often > 1)
        raise _refused(f"the key {twice[:_SHOWN]!r} stands twice in one object")
    return found


def _integer(text: str) -> int | float:
    # The length first: Python takes quadratic time over long ones.
    if len(text) > _LONGEST_INTEGER:
        raise _refused(f"an integer of {len(text)} characters")
    number = int(text)
    if abs(number) <= _LARGEST_INTEGER:
        return number
    if canonical_json(float(text)) != text.encode():
        raise _refused(f"the integer {text} is no double's")
    return float(text)


def _float(text: str) -> float:
    if len(text) > _LONGEST_FLOAT:
        raise _refused(f"a number of {len(text)} characters")
    number = float(text)
    if not math.isfinite(number):
        raise _refused(f"the number {text[:_SHOWN]} is beyond a double")
    return number


def _constant(text: str) -> NoReturn:
    raise _refused(f"{text} is no JSON")


def _refused(what: str) -> ClaimError:
    return ClaimError(f"JSON refused: {what}", remedy=_REMEDY)


_READER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
