"""What tells a number that means a person or an account from any other number of its length."""

from __future__ import annotations

import datetime
from ipaddress import IPv4Network, IPv6Address, IPv6Network

# First two digits of the place codes of GB/T 2260, and those of Hong Kong, Macau, Taiwan
# residents' cards (81 to 83).
_PLACES = [(11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (71, 71), (81, 83)]
_PROVINCES = frozenset(code for first, last in _PLACES for code in range(first, last + 1))
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"
_EARLIEST_BIRTH, _LATEST_BIRTH = datetime.date(1880, 1, 1), datetime.date(2099, 12, 31)

# Not reachable from the Internet, or nobody's: RFC 6890 (special purpose), 5737 and 3849
# (documentation), 5771 (multicast). Written out, since the standard library's view of them changes
# between versions of Python.
_NOBODYS_V4 = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("10.0.0.0/8"),
    IPv4Network("100.64.0.0/10"),
    IPv4Network("127.0.0.0/8"),
    IPv4Network("169.254.0.0/16"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.0.2.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("198.18.0.0/15"),
    IPv4Network("198.51.100.0/24"),
    IPv4Network("203.0.113.0/24"),
    IPv4Network("224.0.0.0/4"),
    IPv4Network("240.0.0.0/4"),
)
_NOBODYS_V6 = (IPv6Network("2001:db8::/32"), IPv6Network("3fff::/20"))
_GLOBAL_V6 = IPv6Network("2000::/3")
# Numbers of sections and versions count from one; four random bytes below this are rarer than one
# in four thousand.
_SMALL = 32

# (first digits from, to, lengths): ISO/IEC 7812 ranges of the large card networks.
_CARDS = (
    ("4", "4", (16, 19)),
    ("51", "55", (16,)),
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),
    ("37", "37", (15,)),
    ("6011", "6011", (16,)),
    ("644", "659", (16,)),
    ("3528", "3589", (16,)),
    ("62", "62", (16, 17, 18, 19)),
)


def is_identity_number(number: str) -> bool:
    """Whether 18 characters are a Chinese identity number: GB 11643, place, date and check."""
    if int(number[:2]) not in _PROVINCES:
        return False
    try:
        born = datetime.date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    weighted = sum(int(n) * weight for n, weight in zip(number[:17], _ID_WEIGHTS, strict=True))
    real = _EARLIEST_BIRTH <= born <= _LATEST_BIRTH
    return real and _ID_CHECKS[weighted % 11] == number[17].upper()


def is_card_number(digits: str) -> bool:
    """Whether digits are of a card network's range and length and pass Luhn's test."""
    known = any(
        first <= digits[: len(first)] <= last and len(digits) in lengths
        for first, last, lengths in _CARDS
    )
    return known and len(set(digits)) > 1 and _luhn(digits) % 10 == 0


def _luhn(digits: str) -> int:
    """Luhn's sum: every second digit from the right doubled, its own digits added."""
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return sum(doubled) + sum(map(int, digits[-1::-2]))


def is_public_v4(address: str) -> bool:
    """Whether four numbers with dots are an address that someone may have on the Internet."""
    groups = [int(group) for group in address.split(".")]
    if max(groups) < _SMALL:
        return False
    value = int.from_bytes(bytes(groups), "big")
    return not any(
        int(network.network_address) == value & int(network.netmask) for network in _NOBODYS_V4
    )


def is_public_v6(address: str) -> bool:
    """The same for an address of 128 bits."""
    try:
        parsed = IPv6Address(address)
    except ValueError:
        return False
    return parsed in _GLOBAL_V6 and not any(parsed in network for network in _NOBODYS_V6)
