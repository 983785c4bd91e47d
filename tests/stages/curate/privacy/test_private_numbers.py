"""Checksums against their definitions, written out the long way."""

from __future__ import annotations

import datetime
import ipaddress
import random

import pytest
from planted import PLANTED

from farthing.stages.curate.privacy.checksums import (
    is_card_number,
    is_identity_number,
    is_public_v4,
    is_public_v6,
)

# GB 11643: the weight of the digit at place i from the right, from 1, is 2^(i-1) modulo 11, and the
# weighted sum with the check digit (X is 10) leaves 1.
LEFT = 1


def gb_remainder(number: str) -> int:
    digits = [10 if character in "Xx" else int(character) for character in number]
    return sum(digit * 2**place for place, digit in enumerate(reversed(digits))) % 11


@pytest.mark.parametrize("number", PLANTED["id"])
def test_planted_identity_numbers_are_right_by_the_standard(number):
    assert gb_remainder(number) == LEFT


def test_of_all_check_digits_one_is_right():
    source = random.Random(0)
    for _ in range(200):
        day = datetime.date(1950, 1, 1) + datetime.timedelta(source.randrange(20_000))
        start = f"11010{source.randrange(10)}{day:%Y%m%d}{source.randrange(1000):03}"
        right = [check for check in "0123456789X" if is_identity_number(start + check)]
        assert right == [check for check in "0123456789X" if gb_remainder(start + check) == LEFT]


def test_of_all_last_digits_of_a_card_one_is_right():
    source = random.Random(1)
    for _ in range(200):
        start = "4" + "".join(source.choices("0123456789", k=14))
        # Luhn: double every second digit from the right, subtract 9 above 9, divide by 10.
        sums = {
            last: sum(
                digit if place % 2 == 0 else 2 * digit - 9 * (digit > 4)
                for place, digit in enumerate(map(int, reversed(start + last)))
            )
            for last in "0123456789"
        }
        right = [last for last in sums if is_card_number(start + last)]
        assert right == [last for last, total in sums.items() if total % 10 == 0]


@pytest.mark.parametrize(
    ("digits", "right"),
    [("4" * 16, False), ("411111111111111", False), ("0000000000000000", False)],
)
def test_cards_have_a_network_a_length_and_more_than_one_digit(digits, right):
    assert is_card_number(digits) is right


def test_addresses_agree_with_the_standard_library_where_all_its_versions_do():
    source = random.Random(2)
    for _ in range(2000):
        address = ipaddress.IPv4Address(source.getrandbits(32))
        if max(address.packed) < 32 or address in ipaddress.IPv4Network("192.88.99.0/24"):
            continue
        reachable = address.is_global and not address.is_multicast
        assert is_public_v4(str(address)) == reachable, address


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("2606:4700:4700::1111", True),
        ("2001:db8::1", False),
        ("3fff:fff::1", False),
        ("2001:4860:4860:0:0:0:0", False),
        ("fd00::1", False),
    ],
)
def test_long_addresses(address, public):
    assert is_public_v6(address) is public
