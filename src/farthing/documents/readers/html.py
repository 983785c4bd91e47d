"""HTML pages to text: the main content, and what the page says of its language and licence.

Needs resiliparse (`farthing[web]`), which is loaded when the first page comes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace

from farthing.errors import MissingExtraError

_LANGUAGE = re.compile(r"\s*([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{1,8})*\s*")
_LICENCE = "link[rel~=license][href], a[rel~=license][href]"
_MOST_DEPTH = 512  # of elements; Chromium's parser nests no deeper
_DEEPER = " > ".join("*" * (_MOST_DEPTH + 1))
BAD_CHARSET = "its bytes do not fit the encoding that it names"
TOO_DEEP = f"elements nest more than {_MOST_DEPTH} deep"
_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


@dataclass(frozen=True)
class Page:
    """What is kept of a page.

    Attributes:
        text: the main content, empty where none is found.
        language: primary subtag of the `lang` of the page ("zh" of zh-CN); empty if not stated.
        licence: what `rel="license"` links to; empty if not stated.
    """

    text: str
    language: str
    licence: str


def page_of(html: str) -> Page | None:
    """The main content of a page, without menus, footers and the texts of pictures.

    None where elements nest deeper than any browser shows them: finding the main content takes
    time by the square of the depth.

    Raises:
        MissingExtraError: `farthing[web]` is not installed.
    """
    web = _resiliparse()
    tree = web.HTMLTree.parse(html)
    if html.count("<") > _MOST_DEPTH - 3 and tree.document.query_selector(_DEEPER) is not None:
        return None
    text = web.extract_plain_text(tree, main_content=True, alt_texts=False)
    root = tree.document.query_selector("html")
    stated = _LANGUAGE.fullmatch((root.getattr("lang") if root else "") or "")
    link = tree.document.query_selector(_LICENCE)
    licence = (link.getattr("href") or "").strip() if link else ""
    return Page(text, stated.group(1).lower() if stated else "", licence)


def decoded(data: bytes, charset: str | None = None) -> str | None:
    """The characters of a page, or None if no encoding that it may have fits all its bytes.

    Valid UTF-8 beyond ASCII is UTF-8, whatever is said of it; else what the server said; else
    what the page says, or what it looks like.

    Args:
        data: bytes of the page.
        charset: as the server named it.

    Raises:
        MissingExtraError: `farthing[web]` is not installed.
    """
    for name in _encodings(data, charset):
        try:
            return data.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
    return None


def _encodings(data: bytes, charset: str | None) -> Iterator[str]:
    """Encodings to try, in order."""
    yield from (name for mark, name in _BYTE_ORDER_MARKS.items() if data.startswith(mark))
    if not data.isascii():
        yield "utf-8"
    web = _resiliparse()
    if charset:
        # Browsers read some names as another encoding that holds it: gb2312 as gb18030.
        yield web.map_encoding_to_html5(charset) or charset
    yield web.detect_encoding(data, from_html_meta=True)


@cache
def _resiliparse() -> SimpleNamespace:
    try:
        from resiliparse.extract.html2text import extract_plain_text
        from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5
        from resiliparse.parse.html import HTMLTree
    except ImportError as error:
        raise MissingExtraError("reading HTML", extra="web") from error
    return SimpleNamespace(
        HTMLTree=HTMLTree,
        extract_plain_text=extract_plain_text,
        detect_encoding=detect_encoding,
        map_encoding_to_html5=map_encoding_to_html5,
    )
