"""What is judged at a suspicious place: one function a kind of place, patterns on bytes.

Every pattern is tried at its place only, never searched for. It sees the text before it, so that
nothing matches from inside a longer word, hash or number. Repetitions are bounded: hostile text
takes time in proportion to its length. Bytes above 127 are no letters here:
Chinese stands right beside addresses and numbers.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from farthing.kernels.find import ADDRESS, KEY, LONG_NUMBER, MAIL, PHONE
from farthing.stages.curate.privacy import checksums
from farthing.stages.curate.settings.privacy import Kind


class Finding(NamedTuple):
    """Bytes of a document that are to be masked."""

    begin: int
    end: int
    kind: Kind


_MAIL = re.compile(
    rb"[._%+-]*((?<![A-Za-z0-9])([A-Za-z0-9][A-Za-z0-9._%+-]{0,63})@"
    rb"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+([A-Za-z]{2,24}))(?![A-Za-z0-9(-])"
)
# Two letters are a country. Of the others, those that people have mail at: a file's ending, a
# method (`a@b.mean`) or a service unit (`getty@tty1.service`) looks just like the rest.
_MAIL_ENDS = frozenset(
    b"com org net edu gov mil int info biz name pro aero coop museum mobi asia tel jobs cat travel "
    b"app dev xyz online site tech store shop club top vip live email cloud wang ltd group world "
    b"company mail arpa local example test invalid".split()
)
_SSH_REMOTE = b"git"  # git@host:path names a repository

_BYTE = rb"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_V4 = re.compile(
    rb"(?<![\w.-])(?<![=<>~!]=)"
    + rb"\.".join([_BYTE] * 4)
    + rb"(?!\w|\.\d|[-+~][A-Za-z]|-\d+(?![.\d]))"
)
_VERSION = re.compile(
    rb"(?:\b(?:version|release|ver|rev|v|section)|\xe7\x89\x88\xe6\x9c\xac)[\s.:=#]*\Z",
    re.IGNORECASE,
)
_BEFORE = 16  # bytes that such a word is looked for in
_V6 = re.compile(
    rb"(?<![\w:])[23][0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}(?![\w:])"
)

_E164 = re.compile(
    rb"(?<![\w+/.=)\]-])\+[1-9]\d{0,2}(?:[ .-]?(?:\(\d{1,4}\)|\d{2,5})){2,5}(?!\w|[.,]\d)"
)
_E164_DIGITS = range(9, 16)  # recommendation E.164: at most 15; the shortest in use have 9
_FIXED_DIGITS = {"1": 11, "7": 11}  # North America, Russia: country code and ten more
_MOBILE = re.compile(
    rb"(?:(?<=86[ -])|(?<![\w.+/])(?<!\d-))1[3-9]\d([ -]?)\d{4}\1\d{4}(?!\w|[.-]\d)"
)
_MOBILE_WITH_COUNTRY = re.compile(rb"(?<![\w.+/-])(?:00)?86[ -]?1[3-9]\d{9}(?!\w|[.-]\d)")
# Chinese fixed lines: 010 and 02x with eight digits, other area codes with seven or eight, of which
# none begins with 0, 1 or 9; the 400 and 800 of companies. An extension may follow.
_LONG, _SHORT = rb"[2-8]\d{3}-?\d{4}", rb"[2-8]\d{2}-?\d{4}"
_FIXED_LINE = re.compile(
    rb"(?<![\w.+/])(?<!\d-)(?:0(?:10|2\d|(?P<far>[3-9]\d\d))(?:-|(?P<closing>\)|\xef\xbc\x89)[ -]?)"
    rb"(?:%b|(?(far)%b|(?!)))|[48]00-\d{3}-\d{4})(?:-\d{1,4})?(?!\w|[.-]\d)" % (_LONG, _SHORT)
)
_BRACKETS = {b")": b"(", b"\xef\xbc\x89": b"\xef\xbc\x88"}
_WIDE = rb"\xef\xbc[\x90-\x99]"  # a full-width digit
_WIDE_MOBILE = re.compile(
    rb"(?<![A-Za-z0-9])(?<!%b)\xef\xbc\x91\xef\xbc[\x93-\x99](?:%b){9}(?!%b|[A-Za-z0-9])"
    % ((_WIDE,) * 3)
)
_ROUND = b"000000"  # ends a large round number

_IDENTITY = re.compile(rb"(?<![\w.])\d{17}[\dXx](?!\w|\.\d)")
_CARD = re.compile(
    rb"(?<![\w.-])(?:\d{15,19}|(?<!\d )(?:\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?"
    rb"|\d{4}([ -])\d{6}\2\d{5})(?! \d))(?!\w|[.-]\d)"
)

_START, _END = rb"(?<![A-Za-z0-9_-])", rb"(?![A-Za-z0-9_-])"
_KEYS = (
    re.compile(rb"(?:AKIA|ASIA)[0-9A-Z]{16}" + _END),
    re.compile(rb"gh[pousr]_[A-Za-z0-9]{36,255}" + _END),
    re.compile(rb"github_pat_[A-Za-z0-9_]{22,255}" + _END),
    re.compile(rb"AIza[0-9A-Za-z_-]{35}" + _END),
    re.compile(_START + rb"hf_[A-Za-z0-9]{34}" + _END),
    re.compile(_START + rb"npm_[A-Za-z0-9]{36}" + _END),
    re.compile(_START + rb"glpat-(?=[A-Za-z_-]{0,40}[0-9])[A-Za-z0-9_-]{20,255}" + _END),
    re.compile(
        _START + rb"eyJ[A-Za-z0-9_-]{10,512}\.eyJ[A-Za-z0-9_-]{10,4096}\.[A-Za-z0-9_-]{10,2048}"
    ),
    # A private key with what belongs to it; certificates and public keys are meant to be read. A
    # header without a body is only spoken of. In programs, lines stand in quotes or end in "\\n".
    # Atomic groups: possessive repetitions of groups miss matches before Python 3.11.5 (gh-106052).
    re.compile(
        rb"-----BEGIN %(named)b-----%(gap)b(?:[A-Za-z-]{1,40}:[^\n]{0,200}\n\s*+){0,8}"
        rb"(?>(?:[A-Za-z0-9+/=]{16,}+%(gap)b){1,2000})"
        rb"(?:(?:[A-Za-z0-9+/=]{1,15}+%(gap)b){0,2}-----END %(named)b-----)?"
        % {
            b"named": rb"(?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?",
            b"gap": rb"(?>(?:\\[nr]|\s|[\"'>|]|(?<=[\"'] )\+)*)",
        }
    ),
)
# Words with hyphens look like these; a key is random.
_LOOSE_KEYS = (
    re.compile(_START + rb"sk-(?:[a-z]{2,10}-){0,4}([A-Za-z0-9_-]{20,255})" + _END),
    re.compile(_START + rb"[sr]k_live_([A-Za-z0-9]{16,255})" + _END),
    re.compile(_START + rb"xox[abprs]-([0-9A-Za-z-]{10,255})" + _END),
)


def judge(document: bytes, place: int, suspicion: int) -> Finding | None:
    """What begins at a suspicious place of a document, if anything.

    Args:
        document: the whole text, UTF-8.
        place: byte in it.
        suspicion: `MAIL` ... `KEY` of `kernels.find`.
    """
    return _JUDGES[suspicion](document, place)


def _mail(document: bytes, place: int) -> Finding | None:
    match = _MAIL.match(document, place)
    if match is None or match[2].lower() == _SSH_REMOTE:
        return None
    top = match[3].lower()
    if len(top) > 2 and top not in _MAIL_ENDS:
        return None
    return Finding(match.start(1), match.end(1), "email")


def _address(document: bytes, place: int) -> Finding | None:
    match = _V4.match(document, place)
    if match is not None:
        named_version = _VERSION.search(document[max(0, place - _BEFORE) : place])
        if named_version or not checksums.is_public_v4(match[0].decode()):
            return None
        return Finding(match.start(), match.end(), "ip")
    match = _V6.match(document, place)
    if match is None or not checksums.is_public_v6(match[0].decode()):
        return None
    return Finding(match.start(), match.end(), "ip")


def _phone(document: bytes, place: int) -> Finding | None:
    if document[place] != ord("+"):
        return (
            _fixed_line(document, place)
            or _mobile(document, place, _MOBILE)
            or _mobile(document, place, _WIDE_MOBILE)
        )
    match = _E164.match(document, place)
    if match is None:
        return None
    digits = "".join(re.findall(r"\d", match[0].decode()))
    fixed = _FIXED_DIGITS.get(digits[0])
    fits = len(digits) == fixed if fixed else len(digits) in _E164_DIGITS
    if not fits or digits.endswith(_ROUND.decode()):
        return None
    return Finding(match.start(), match.end(), "phone")


def _fixed_line(document: bytes, place: int) -> Finding | None:
    match = _FIXED_LINE.match(document, place)
    if match is None or match[0].endswith(_ROUND):
        return None
    begin = place
    if match["closing"]:
        opening = _BRACKETS[match["closing"]]
        begin -= len(opening)
        if begin < 0 or not document.startswith(opening, begin):
            return None
    return Finding(begin, match.end(), "phone")


def _mobile(document: bytes, place: int, pattern: re.Pattern[bytes]) -> Finding | None:
    match = pattern.match(document, place)
    if match is None or match[0].endswith(_ROUND):
        return None
    return Finding(match.start(), match.end(), "phone")


def _long_number(document: bytes, place: int) -> Finding | None:
    match = _IDENTITY.match(document, place)
    if match is not None and checksums.is_identity_number(match[0].decode()):
        return Finding(match.start(), match.end(), "id")
    match = _CARD.match(document, place)
    if match is not None:
        digits = match[0].decode().replace(" ", "").replace("-", "")
        if checksums.is_card_number(digits):
            return Finding(match.start(), match.end(), "card")
    return _mobile(document, place, _MOBILE_WITH_COUNTRY)


def _key(document: bytes, place: int) -> Finding | None:
    for pattern in _KEYS:
        if (match := pattern.match(document, place)) is not None:
            return Finding(match.start(), match.end(), "key")
    for pattern in _LOOSE_KEYS:
        if (match := pattern.match(document, place)) is not None and _random(match[1]):
            return Finding(match.start(), match.end(), "key")
    return None


def _random(secret: bytes) -> bool:
    """Whether it has a digit, a small and a capital letter, as 20 random characters do."""
    return all(re.search(wanted, secret) for wanted in (rb"[0-9]", rb"[a-z]", rb"[A-Z]"))


_JUDGES = {
    MAIL: _mail,
    ADDRESS: _address,
    PHONE: _phone,
    LONG_NUMBER: _long_number,
    KEY: _key,
}
