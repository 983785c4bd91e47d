"""JSON that two readers could take for two things, or that no reader should have to hold."""

from __future__ import annotations

import json
import time
import tracemalloc

import pytest

from farthing.artifacts.claims.strict_json import MOST_VALUES, parse_strict, parse_strict_line
from farthing.errors import ClaimError

TAKEN = {
    "an object": b'{"a":[1,-2.5,1e-7,true,false,null],"b":"\xc3\xa9 \\"[[{{ \\\\"}',
    "empty containers": b'{"":[],"x":{}}',
    "a word": b'"x"',
    "zero": b"0",
    "spaces": b' { "b" : 1 ,\n "a" : [ 2 ] } ',
    "escaped text": rb'"\u00e9\n\ud83d\ude00"',
    "the largest integer": b"9007199254740991",
    "just as deep as allowed": b"[" * 64 + b"]" * 64,
    "brackets in a string": b'"' + b"[" * 1000 + b'"',
}


@pytest.mark.parametrize("data", TAKEN.values(), ids=TAKEN.keys())
def test_what_has_one_meaning_is_what_pythons_reader_says(data):
    assert parse_strict(data) == json.loads(data)


REFUSED = {
    "nothing": b"",
    "not UTF-8": b'"\xff"',
    "an overlong encoding": b'"\xc0\xaf"',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a surrogate in UTF-8": b'"\xed\xa0\x80"',
    "an escaped lone surrogate": rb'"\ud800"',
    "an escaped lone surrogate as a key": rb'{"\udfff":1}',
    "a control character in a string": b'"a\nb"',
    "a key twice": b'{"a":1,"b":2,"a":1}',
    "a key twice, spelled in two ways": rb'{"a":1,"\u0061":2}',
    "a key twice deep within": b'[{"x":{"a":1,"a":2}}]',
    "NaN": b"NaN",
    "NaN within": b'{"a":[NaN]}',
    "infinity": b"Infinity",
    "minus infinity": b"-Infinity",
    "a number beyond doubles": b"1e999",
    "a number beyond doubles within": b"[-1e400]",
    "an integer between doubles": b"9007199254740993",
    "a long integer": b"1" * 23,
    "a very long integer": b"1" * 100_000,
    "a very long fraction": b"0." + b"1" * 100_000,
    "one level too deep": b"[" * 65 + b"]" * 65,
    "one level too deep in objects": b'{"a":' * 65 + b"1" + b"}" * 65,
    "very deep": b"[" * 1_000_000,
    "very deep after a string": b'["' + b"\\\\" * 10 + b'",' + b"[" * 100_000,
    "closed more than opened": b"]" * 1000,
    "a string that never ends": b'{"a":"' + b'\\"[' * 1000,
    "a trailing comma": b"[1,]",
    "a comment": b"[1] // x",
    "two values": b"{}{}",
    "a leading zero": b"01",
    "a single quote": b"{'a':1}",
    "a zero byte": b"{}\x00",
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_what_has_two_meanings_or_none_is_refused(data):
    with pytest.raises(ClaimError) as caught:
        parse_strict(data)
    assert caught.value.exit_code == 1
    assert caught.value.remedy
    assert len(caught.value.what) < 300


@pytest.mark.parametrize("data", TAKEN.values(), ids=TAKEN.keys())
def test_a_line_says_the_same(data):
    assert parse_strict_line(data + b"\n") == json.loads(data)


# What is counted before anything is built, and what only an escape can hide, a line may have.
_LINES_TAKE = {"one level too deep", "one level too deep in objects"} | {
    name for name in REFUSED if "escaped lone surrogate" in name
}


@pytest.mark.parametrize("name", sorted(REFUSED.keys() - _LINES_TAKE))
def test_a_line_is_refused_as_strictly(name):
    with pytest.raises(ClaimError) as caught:
        parse_strict_line(REFUSED[name])
    assert len(caught.value.what) < 300


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9007199254740992", 2.0**53),
        ("100000000000000000000", 1e20),
        ("-18014398509481984", -(2.0**54)),
    ],
)
def test_a_float_that_is_written_as_an_integer_stays_a_float(text, value):
    read = parse_strict(text.encode(), canonical=True)
    assert isinstance(read, float)
    assert read == value


@pytest.mark.parametrize("depth", [1, 3])
def test_the_depth_is_the_callers(depth):
    assert parse_strict(b"[" * depth + b"]" * depth, depth=depth) is not None
    with pytest.raises(ClaimError, match="deeper"):
        parse_strict(b"[" * (depth + 1) + b"]" * (depth + 1), depth=depth)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"b":2} ',
        b'{"b":1,"a":2}',
        b'{"a":1.0}',
        b'{"a": 1}',
        rb'{"a":"\u0062"}',
        b"-0",
        b"1E2",
    ],
    ids=["space", "order", "float", "inner space", "escape", "minus zero", "exponent"],
)
def test_another_spelling_is_refused_where_the_canonical_one_is_asked_for(data):
    parse_strict(data)
    with pytest.raises(ClaimError, match="canonical"):
        parse_strict(data, canonical=True)


def test_hostile_text_costs_time_in_proportion_and_no_memory_beyond_its_values():
    size = 1 << 19
    hostile = {
        "quotes that never end": b'"' + b'\\"' * (size // 2),
        "brackets": b"[]," * (size // 3),
        "values": b"[" + b"0," * (size // 2),
        "keys": b"{" + b'"a":0,' * (size // 6) + b'"a":0}',
        "digits": b"[" + b"9" * size + b"]",
    }
    tracemalloc.start()
    try:
        begin = time.process_time()
        for data in hostile.values():
            with pytest.raises(ClaimError):
                parse_strict(data)
        spent = time.process_time() - begin
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Seconds where it is linear; anything quadratic in half a million takes minutes.
    assert spent < 20
    assert peak < 100 << 20


def test_so_many_values_are_refused_before_they_are_built():
    with pytest.raises(ClaimError, match="values"):
        parse_strict(b"[" + b"0," * MOST_VALUES + b"0]")
