"""Pages: the main content, their encoding, what they say of language and licence; and archives."""

from __future__ import annotations

import gzip
import json
import sys
import time

import pytest
from reader_files import read_all

from farthing.documents.readers import html, warc
from farthing.errors import CorpusError, MissingExtraError

STORY = "\u8fd9\u662f\u4e00\u6bb5\u5f88\u957f\u7684\u6b63\u6587\u3002" * 9
LICENCE = "https://creativecommons.org/licenses/by/4.0/"
PAGE = (
    f'<html lang="zh-CN"><head><title>T</title><link rel="license" href="{LICENCE}"></head>'
    '<body><nav><a href="/">Home</a> <a href="/b">Products</a></nav>'
    f"<main><p>{STORY}</p></main><footer>Imprint</footer></body></html>"
)


def test_a_page_gives_its_main_content_with_language_and_licence(tmp_path):
    (tmp_path / "a.html").write_text(PAGE)
    (tmp_path / "b.htm").write_text(f"<body><p>{STORY}</p>")
    rows, refusals = read_all([tmp_path])
    assert [row["text"].strip() for row in rows] == [STORY, STORY]
    assert [row["id"] for row in rows] == ["a.html", "b.htm"]
    assert [row["language"] for row in rows] == ["zh", "und"]
    assert [row["licence"] for row in rows] == [LICENCE, "unstated"]
    assert {row["format"] for row in rows} == {"html"}
    assert refusals.by_reason() == {}


def test_rows_that_say_html_are_extracted_and_what_they_state_wins(tmp_path):
    lines = [
        {"id": "a", "text": PAGE, "format": "html", "lang": "yue", "licence": "CC-BY-4.0"},
        {"id": "b", "text": PAGE, "format": "html"},
        {"id": "c", "text": "<p>no page</p>", "format": "text"},
        {"id": "d", "text": "<body></body>", "format": "html"},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    rows, refusals = read_all([tmp_path])
    assert [(row["text"].strip(), row["language"], row["licence"]) for row in rows] == [
        (STORY, "yue", "CC-BY-4.0"),
        (STORY, "zh", LICENCE),
        ("<p>no page</p>", "und", "unstated"),
    ]
    assert refusals.by_reason() == {"empty_text": 1}


@pytest.mark.parametrize(
    ("data", "charset"),
    [
        pytest.param(PAGE.encode(), "iso-8859-1", id="utf-8 whatever the server says"),
        pytest.param(PAGE.encode("gb18030"), "gb2312", id="gb18030 as the server names it"),
        pytest.param(PAGE.encode("utf-16"), None, id="utf-16 with its mark"),
        pytest.param(
            PAGE.replace("<head>", '<head><meta charset="gbk">').encode("gbk"), None, id="gbk named"
        ),
        pytest.param(PAGE.encode("gb18030"), None, id="gb18030 by its looks"),
        pytest.param(PAGE.encode("gb18030"), "no such name", id="name of no encoding"),
    ],
)
def test_the_encoding_of_a_page_is_found(data, charset):
    assert STORY in (html.decoded(data, charset) or "")


def test_bytes_that_fit_no_encoding_are_refused_and_never_replaced(tmp_path):
    page = PAGE.replace("<head>", '<head><meta charset="utf-8">').encode()
    (tmp_path / "a.html").write_bytes(page.replace(b"Imprint", b"Impr\xffint"))
    rows, refusals = read_all([tmp_path])
    assert rows == []
    assert refusals.by_reason() == {"bad_charset": 1}


def _record(number, kind, body, *, content_type="application/http; msgtype=response"):
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{number}>\r\n"
        f"WARC-Target-URI: http://example.org/{number}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body + b"\r\n\r\n"


def _answer(body, content_type, status="200 OK"):
    fields = f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return f"HTTP/1.1 {status}\r\n{fields}\r\n".encode() + body


# Written by hand from ISO 28500: an archive of three pages, and what stands between them.
RECORDS = [
    _record(1, "warcinfo", b"software: none\r\n", content_type="application/warc-fields"),
    _record(2, "response", _answer(PAGE.encode("gbk"), "text/html; charset=gbk")),
    _record(3, "request", b"GET /3 HTTP/1.1\r\nHost: example.org\r\n\r\n"),
    _record(4, "response", _answer(b"\x89PNG", "image/png")),
    _record(5, "response", _answer(b"plain and simple", "text/plain")),
    _record(6, "response", _answer(PAGE.encode(), "text/html", "404 Not Found")),
    _record(7, "conversion", STORY.encode(), content_type="text/plain"),
    _record(8, "response", _answer(PAGE.encode(), "text/html")),
]
EXPECTED = [
    (2, "html", STORY),
    (5, "text", "plain and simple"),
    (7, "text", STORY),
    (8, "html", STORY),
]


@pytest.mark.parametrize("piece_bytes", [1, 1500, 1 << 24], ids=lambda n: f"pieces-of-{n}")
@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz", "whole.warc.gz"])
def test_the_pages_of_an_archive_are_read_with_address_and_record(tmp_path, name, piece_bytes):
    if name == "a.warc":
        data = b"".join(RECORDS)
    elif name == "a.warc.gz":
        data = b"".join(gzip.compress(record) for record in RECORDS)
    else:
        data = gzip.compress(b"".join(RECORDS))
    (tmp_path / name).write_bytes(data)
    rows, refusals = read_all([tmp_path], piece_bytes)
    assert [(row["record"], row["format"], row["text"].strip()) for row in rows] == EXPECTED
    assert [row["id"] for row in rows] == [f"<urn:uuid:{number}>" for number, _, _ in EXPECTED]
    assert rows[0]["source"] == "http://example.org/2"
    assert refusals.by_reason() == {"http_status": 1, "not_html": 1}
    assert {one.record for listed in refusals.listed.values() for one in listed} == {4, 6}
    # No documents, and therefore none that strict reading would mind.
    assert len(read_all([tmp_path], piece_bytes, strict=True)[0]) == 4


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_an_archive_that_was_cut_short_keeps_its_whole_records(tmp_path, name):
    data = b"".join(gzip.compress(r) if name.endswith("gz") else r for r in RECORDS)
    (tmp_path / name).write_bytes(data[:-40])
    rows, refusals = read_all([tmp_path])
    assert [row["record"] for row in rows] == [2, 5, 7]
    assert refusals.by_reason()["truncated_file"] == 1


def test_an_archive_with_something_else_in_it_ends_the_run(tmp_path):
    (tmp_path / "a.warc").write_bytes(RECORDS[1] + b"something else\r\n" * 5 + RECORDS[7])
    with pytest.raises(CorpusError, match=r"a.warc is not a WARC file"):
        read_all([tmp_path])


@pytest.mark.parametrize(
    ("name", "content", "missing"),
    [
        pytest.param("a.html", PAGE.encode(), "resiliparse.extract.html2text", id="html"),
        pytest.param("a.warc", RECORDS[1], "fastwarc.warc", id="warc"),
    ],
)
def test_only_pages_need_the_extra_and_its_absence_names_it(
    tmp_path, monkeypatch, name, content, missing
):
    monkeypatch.setitem(sys.modules, missing, None)
    for loaded in (html._resiliparse, warc._fastwarc):
        loaded.cache_clear()
    (tmp_path / "plain.txt").write_text("no page")
    assert len(read_all([tmp_path])[0]) == 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MissingExtraError, match=r"farthing\[web\]"):
        read_all([tmp_path])


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        pytest.param("<div>" * 20_000 + "text", "too_deep", id="open"),
        pytest.param("<div></p>" * 3000 + "text", "too_deep", id="other tags closed"),
        pytest.param("<b>" * 3000 + "text", "too_deep", id="inline"),
        pytest.param("<div>" * 505 + STORY + "</div>" * 505, None, id="deep, as browsers show it"),
        pytest.param(f"<div><p>{STORY}</div>" * 600, None, id="long and flat"),
        pytest.param(f"<p>{STORY}" * 3000, None, id="closed by themselves"),
    ],
)
def test_pages_nest_as_deep_as_browsers_show_and_no_deeper(tmp_path, page, reason):
    (tmp_path / "a.html").write_text(page)
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": page, "format": "html"}))
    begun = time.process_time()
    rows, refusals = read_all([tmp_path])
    assert time.process_time() - begun < 5
    if reason is None:
        assert len(rows) == 2
        assert all(STORY in row["text"] for row in rows)
        return
    assert rows == []
    assert [one.what for one in refusals.listed[reason]] == [
        f"{name}, record 1: too_deep (elements nest more than 512 deep)"
        for name in ("a.html", "b.jsonl")
    ]
