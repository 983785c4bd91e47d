from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import pytest
import zstandard

from farthing.errors import CorpusError
from farthing.text.document import read_documents

TWO_LINES = (
    '{"id": "a", "text": "one", "license": "MIT", "lang": "en"}\n'
    '{"id": "b", "text": "二", "source": "s", "domain": "d", "work": "w"}\n'
).encode()


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        pytest.param("x.jsonl", bytes, id="plain"),
        pytest.param("x.jsonl.gz", gzip.compress, id="gzip"),
        pytest.param("x.jsonl.zst", zstandard.ZstdCompressor().compress, id="zstd"),
    ],
)
def test_every_packing_gives_the_same_documents_with_their_defaults(tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(TWO_LINES))
    first, second = read_documents([tmp_path / name])
    assert (first.id, first.text, first.licence, first.source) == ("a", "one", "MIT", "unstated")
    assert (first.language, first.domain, first.work) == ("en", "en", "a")
    assert (second.licence, second.language, second.domain) == ("unstated", "und", "d")
    assert (second.work, second.size) == ("w", 3)


def test_a_folder_is_read_in_sorted_order_and_text_files_are_whole_documents(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.txt").write_text("second\nline")
    (tmp_path / "a.txt").write_text("first")
    (tmp_path / "ignored.pdf").write_bytes(b"\xff")
    documents = list(read_documents([tmp_path]))
    assert [d.id for d in documents] == ["a.txt", "sub/b.txt"]
    assert documents[1].text == "second\nline"


def test_blank_documents_are_left_out_and_counted(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"id": "a", "text": " \\n"}\n\n{"id": "b", "text": "x"}\n')
    dropped: Counter[str] = Counter()
    assert [d.id for d in read_documents([path], dropped)] == ["b"]
    assert dropped == {"empty_text": 1}


def test_bytes_that_are_not_utf8_are_located_by_line_and_offset(tmp_path):
    good = '{"id": "a", "text": "é"}\n'.encode()
    bad = b'{"id": "b", "text": "caf\xe9"}\n'
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(good + bad))
    offset = (good + bad).index(b"\xe9")
    with pytest.raises(CorpusError, match=rf"line 2: byte {offset} \(0xe9\)"):
        list(read_documents([path]))
    text = tmp_path / "y.txt"
    text.write_bytes(b"one\ntwo\nth\xffree")
    with pytest.raises(CorpusError, match=r"y\.txt, line 3: byte 10 \(0xff\)"):
        list(read_documents([text]))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{oops", "line 2 is not JSON"),
        ("[1]", "line 2 is not a JSON object"),
        ('{"id": "b"}', "line 2 has no key 'text'; it has id"),
        ('{"id": "b", "text": 3}', "'text' is 3, not a string"),
        ('{"id": "a", "text": "again"}', "the id 'a' was already used"),
        ('{"id": "b", "text": "\\ud800"}', "half a surrogate pair"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    path = tmp_path / "x.jsonl"
    path.write_text('{"id": "a", "text": "one"}\n' + line + "\n")
    with pytest.raises(CorpusError, match=message) as caught:
        list(read_documents([path]))
    assert caught.value.exit_code == 2
    assert caught.value.remedy


def test_a_missing_path_an_unknown_suffix_and_an_empty_corpus_are_errors(tmp_path):
    with pytest.raises(CorpusError, match="does not exist"):
        list(read_documents([tmp_path / "nowhere"]))
    (tmp_path / "x.docx").write_text("x")
    with pytest.raises(CorpusError, match=r"\.jsonl\.zst") as caught:
        list(read_documents([tmp_path / "x.docx"]))
    assert "unknown suffix" in caught.value.what
    with pytest.raises(CorpusError, match="holds no file ending in"):
        list(read_documents([tmp_path]))
    (tmp_path / "e.jsonl").write_text("")
    with pytest.raises(CorpusError, match="no text in"):
        list(read_documents([tmp_path]))


def test_a_cut_archive_is_an_error(tmp_path):
    path: Path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(TWO_LINES)[:-12])
    with pytest.raises(CorpusError, match="cannot be decompressed"):
        list(read_documents([path]))
