"""Numbers for people: few digits, a unit that fits, and never a small amount shown as zero."""

from __future__ import annotations

import math

_TIMES = "\N{MULTIPLICATION SIGN}"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SMALLEST_PLAIN = 1e-5
_LARGEST_PLAIN = 1e6
_LARGEST_COUNT = 1e9
_LETTERS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
_ENERGY_UNITS = ((1.0, "kWh"), (1e3, "Wh"), (1e6, "mWh"))
_CARBON_UNITS = ((1.0, "kg"), (1e3, "g"), (1e6, "mg"))
_BYTE_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def plain(value: float, significant: int = 3) -> str:
    """A number with that many significant digits: `0.00174`, `12.3`; far out, powers of ten."""
    if value == 0:
        return "0"
    if abs(value) < _SMALLEST_PLAIN or round(abs(value)) >= _LARGEST_PLAIN:
        return _scientific(value, min(significant, 3))
    return f"{value:,.{_decimals(value, significant)}f}"


def money(value: float) -> str:
    """US dollars: `$1,234`, `$12.34`, `$0.17`, `$0.0017`; small sums keep two digits."""
    if value == 0:
        return "$0"
    # As it will be read: 999.996 is a thousand, and 0.996 is a whole dollar.
    cents = round(abs(value), 2)
    if cents >= 1000:
        return f"${value:,.0f}"
    if cents >= 1:
        return f"${value:,.2f}"
    return f"${plain(value, 2)}"


def whole(value: float) -> str:
    """A count, in full while it can be read: `9,150`; powers of ten beyond."""
    return f"{value:,.0f}" if abs(value) < _LARGEST_COUNT else plain(value)


def short(value: float) -> str:
    """A count with a letter: `850`, `4.1k`, `2.20M`, `1.30B`."""
    for size, letter in _LETTERS:
        if abs(_rounded(value)) >= size:
            return f"{plain(value / size)}{letter}"
    return plain(value) if value != int(value) else f"{value:.0f}"


def tick(value: float) -> str:
    """A round value on an axis, without zeros at its end: `0.0005`, `2,500`."""
    mantissa, times, power = plain(value).partition(_TIMES)
    return f"{_trimmed(mantissa)}{times}{power}"


def short_tick(value: float) -> str:
    """The same with a letter: `0`, `500k`, `1.2M`."""
    text = short(value)
    letter = text[-1] if text[-1].isalpha() else ""
    return f"{_trimmed(text.removesuffix(letter))}{letter}"


def data_size(value: float) -> str:
    """Bytes with a decimal unit: `20.0 MB`."""
    for size, unit in _BYTE_UNITS:
        if _rounded(value) >= size:
            return f"{plain(value / size)} {unit}"
    return f"{value:.0f} B"


def percent(share: float) -> str:
    """A share: `79 %`, `0.4 %`, `100 %`; never 0 or 100 unless exact."""
    if share in (0.0, 1.0):
        return f"{share:.0%}".replace("%", " %")
    value = 100 * share
    if value < 0.1:
        return "<0.1 %"
    text = f"{value:.0f}" if 10 <= round(value, 1) <= 99 else f"{value:.1f}"
    return ">99.9 %" if text == "100.0" else f"{text} %"


def energy_unit(kwh: float) -> tuple[float, str]:
    """How many of which unit make one kWh, so that `kwh` reads well."""
    return _fitting(kwh, _ENERGY_UNITS)


def carbon_unit(kilograms: float) -> tuple[float, str]:
    """How many of which unit make one kilogram, so that `kilograms` reads well."""
    return _fitting(kilograms, _CARBON_UNITS)


def duration(hours: float) -> str:
    """Time in the unit that fits: `48 ms`, `12.3 s`, `7.4 min`, `3.1 h`, `4.2 days`."""
    seconds = hours * 3600
    if seconds == 0:
        return "0 s"
    for limit, size, unit in (
        (1, 1e-3, "ms"),
        (90, 1, "s"),
        (5400, 60, "min"),
        (172800, 3600, "h"),
    ):
        if _rounded(seconds) < limit:
            return f"{plain(seconds / size, 2 if seconds / size < 100 else 3)} {unit}"
    return f"{plain(seconds / 86400)} days"


def _fitting(value: float, units: tuple[tuple[float, str], ...]) -> tuple[float, str]:
    for factor, unit in units:
        if _rounded(value * factor) >= 1:
            return factor, unit
    return units[-1]


def _decimals(value: float, significant: int) -> int:
    rounded = abs(_rounded(value, significant))
    return max(0, significant - 1 - math.floor(math.log10(rounded)))


def _rounded(value: float, significant: int = 3) -> float:
    """The value as it will be read: which side of a border it is on is decided after rounding."""
    return float(f"{value:.{significant - 1}e}")


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _scientific(value: float, significant: int) -> str:
    mantissa, _, exponent = f"{value:.{significant - 1}e}".partition("e")
    return f"{mantissa}{_TIMES}10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
