"""Bad input: an error with file and line before the work, or a refusal that is counted."""

from __future__ import annotations

import json
from functools import cache

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reader_files import json_lines, make_documents, packed, plain, read_all, write_parquet

from farthing.documents.readers.cut import cut
from farthing.documents.readers.files import find_files
from farthing.documents.readers.options import Reading
from farthing.documents.readers.read import read_piece
from farthing.documents.refusals import Refusals, check_share, merge_refusals
from farthing.errors import CorpusError

ROWS = make_documents(100)
MANY = make_documents(1500, most_words=100)
GOOD = b'{"id": "%d", "text": "good"}'


@cache
def _whole(name, frames):
    return packed(json_lines(MANY), name, frames)


def _lines(*lines):
    return b"\n".join(lines) + b"\n"


@pytest.mark.parametrize("tenths", range(1, 10))
@pytest.mark.parametrize("frames", [1, 6], ids=lambda n: f"{n}-frames")
@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_what_stands_before_a_cut_is_kept_and_the_cut_is_counted(tmp_path, name, frames, tenths):
    rows, whole = MANY, _whole(name, frames)
    (tmp_path / name).write_bytes(whole[: len(whole) * tenths // 10])
    read, refusals = read_all([tmp_path], 100_000)
    assert plain(read) == rows[: len(read)]
    # Not much less than the share of the file that is there: zstd packs up to 128 KiB together.
    assert len(rows) * tenths / 10 - 450 <= len(read) <= len(rows) * tenths / 10 + 100
    assert refusals.by_reason() == {"truncated_file": 1}
    (refusal,) = refusals.listed["truncated_file"]
    assert refusal.path == name
    assert refusal.record == 0
    assert f"behind byte {len(json_lines(rows[: len(read)]))} " in refusal.detail


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
@pytest.mark.parametrize("kept", [1, 4, 15])
def test_a_file_cut_in_its_header_is_told_and_gives_nothing(tmp_path, name, kept):
    (tmp_path / name).write_bytes(packed(json_lines(ROWS), name)[:kept])
    read, refusals = read_all([tmp_path])
    assert read == []
    assert refusals.by_reason() == {"truncated_file": 1}


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        pytest.param("a.jsonl.gz", packed(GOOD, "a.zst"), "is no gz file", id="zst named gz"),
        pytest.param("a.jsonl.zst", packed(GOOD, "a.gz"), "is no zst file", id="gz named zst"),
        pytest.param(
            "a.jsonl.zst",
            packed(GOOD, "a.zst") + b"garbage here",
            "cannot be decompressed",
            id="zst tail",
        ),
        pytest.param("a.parquet", b"PAR1 and no more", "not a whole Parquet file", id="parquet"),
        pytest.param("a.warc", b"this is no archive\n" * 9, "not a WARC file", id="warc"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_ends_the_run(tmp_path, name, content, what):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=what) as raised:
        read_all([tmp_path])
    assert name in str(raised.value)


@pytest.mark.parametrize("tail", [b"junk", b"x", b"\0\0junk"], ids=["bytes", "one", "padded"])
@pytest.mark.parametrize("frames", [1, 3], ids=lambda n: f"{n}-members")
def test_what_stands_behind_the_last_gzip_member_is_passed_over_and_told(tmp_path, frames, tail):
    (tmp_path / "a.jsonl.gz").write_bytes(packed(json_lines(ROWS), "a.gz", frames) + tail)
    for piece_bytes in (5000, 16 << 20):
        read, refusals = read_all([tmp_path], piece_bytes)
        assert plain(read) == ROWS
        assert refusals.by_reason() == {"trailing_bytes": 1}
        assert refusals.records == {0: len(ROWS)}


def test_zeros_behind_a_gzip_member_are_padding(tmp_path):
    (tmp_path / "a.jsonl.gz").write_bytes(packed(json_lines(ROWS), "a.gz") + b"\0" * 600_000)
    read, refusals = read_all([tmp_path])
    assert plain(read) == ROWS
    assert refusals.by_reason() == {}


def test_bytes_that_are_not_utf8_are_counted_with_their_line(tmp_path):
    lines = [GOOD % n for n in range(5)]
    lines[2] = b'{"id": "2", "text": "go\xffod"}'
    (tmp_path / "a.jsonl").write_bytes(_lines(*lines))
    (tmp_path / "b.txt").write_bytes(b"one\ntwo\nth\xffree\n")
    rows, refusals = read_all([tmp_path])
    assert [row["id"] for row in rows] == ["0", "1", "3", "4"]
    assert refusals.by_reason() == {"not_utf8": 2}
    first, second = refusals.listed["not_utf8"]
    assert first.what == "a.jsonl, record 3: not_utf8 (byte 23 of the line is 0xff)"
    assert second.what == "b.txt, record 3: not_utf8 (byte 10 of the file is 0xff)"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param(b'{"id": "x", "text": "cut', "not_json", id="cut"),
        pytest.param(b'{"id": "x", "text": NaN}', "not_json", id="NaN"),
        pytest.param(b"[" * 5000 + b"]" * 5000, "not_json", id="deep"),
        pytest.param(b'{"id": "x", "text": "a\tb"}', "not_json", id="control"),
        pytest.param(b'["id", "text"]', "not_object", id="array"),
        pytest.param(b'{"id": "x", "text": "\\ud83d alone"}', "lone_surrogate", id="surrogate"),
        pytest.param(b'{"id": "x", "body": "b"}', "no_text", id="no text"),
        pytest.param(b'{"id": "x", "text": null}', "no_text", id="null"),
        pytest.param(b'{"id": "x", "text": ["b"]}', "not_text", id="list"),
        pytest.param(b'{"id": "x", "text": ""}', "empty_text", id="empty"),
        pytest.param(b'{"id": "x", "text": " \\n\\u3000"}', "empty_text", id="blank"),
        pytest.param(b'{"id": {"a": 1}, "text": "b"}', "bad_id", id="id object"),
        pytest.param(b'{"id": "", "text": "b"}', "bad_id", id="id empty"),
        pytest.param(b'{"id": true, "text": "b"}', "bad_id", id="id bool"),
        pytest.param(b'{"id": "%s", "text": "b"}' % (b"x" * 513), "bad_id", id="id long"),
        pytest.param(b'{"text": "b", "domain": "../up"}', "bad_domain", id="domain"),
        pytest.param(b'{"text": "b", "source": 7}', "bad_source", id="source"),
        pytest.param(b'{"text": "b", "licence": [7]}', "bad_licence", id="licence"),
        pytest.param(b'{"text": "b", "parents": [7]}', "bad_parents", id="parents"),
    ],
)
def test_a_bad_record_among_good_ones_is_refused_for_its_reason(tmp_path, line, reason):
    (tmp_path / "a.jsonl").write_bytes(_lines(GOOD % 1, line, GOOD % 3))
    rows, refusals = read_all([tmp_path])
    assert [(row["id"], row["record"]) for row in rows] == [("1", 1), ("3", 3)]
    assert refusals.by_reason() == {reason: 1}
    assert refusals.records == {0: 3}
    assert refusals.listed[reason][0].record == 2
    with pytest.raises(CorpusError, match=f"a.jsonl, record 2: {reason}"):
        read_all([tmp_path], strict=True)


def test_a_null_character_is_kept(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"id": "x", "text": "a\\u0000b"}')
    rows, _ = read_all([tmp_path])
    assert rows[0]["text"] == "a\0b"


def test_an_id_that_was_named_has_to_be_there(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"id": "x", "text": "b"}\n{"url": "y", "text": "c"}\n')
    rows, refusals = read_all([tmp_path], columns={"id": "url"})
    assert [row["id"] for row in rows] == ["y"]
    assert refusals.by_reason() == {"no_id": 1}


def test_empty_files_are_counted_and_nothing_else(tmp_path):
    for name in ("a.jsonl", "b.txt", "c.jsonl.gz", "d.warc"):
        (tmp_path / name).write_bytes(packed(b"", name))
    write_parquet(tmp_path / "e.parquet", [])
    rows, refusals = read_all([tmp_path])
    assert rows == []
    assert refusals.by_reason() == {"empty_file": 5}
    assert refusals.records.total() == 0
    check_share(refusals, find_files([tmp_path]), 0.0)


def test_parquet_of_another_schema_ends_the_run_with_the_columns_it_has(tmp_path):
    pq.write_table(pa.table({"id": ["a"], "body": ["b"]}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match="has no column 'text' with strings; it has id: string"):
        read_all([tmp_path])
    pq.write_table(pa.table({"id": ["a"], "text": [["b"]]}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match="text: list"):
        read_all([tmp_path])


def test_parquet_rows_without_text_or_with_bytes_that_are_not_utf8_are_refused(tmp_path):
    texts = pa.array([b"good", b"b\xffd", None, "\u597d".encode()], pa.binary()).view(pa.string())
    ids = pa.array(["a", "b", "c", "d", "e"]).dictionary_encode()
    parents = pa.ListArray.from_arrays([0, 0, 0, 0, 1, 2], texts[:2])
    table = {"id": ids, "text": texts.take([0, 1, 2, 3, 0]), "parents": parents}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    rows, refusals = read_all([tmp_path])
    assert [(row["id"], row["text"], row["record"], row["parents"]) for row in rows] == [
        ("a", "good", 1, []),
        ("d", "\u597d", 4, ["good"]),
    ]
    assert refusals.by_reason() == {"bad_parents": 1, "no_text": 1, "not_utf8": 1}


def test_a_file_that_changes_after_it_was_found_ends_the_run(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(_lines(GOOD % 1))
    (piece,) = cut(find_files([tmp_path]))
    path.write_bytes(_lines(GOOD % 1, GOOD % 2))
    with pytest.raises(CorpusError, match="changed while it was read"):
        list(read_piece(piece, Reading()))
    path.unlink()
    with pytest.raises(CorpusError, match="cannot be read"):
        list(read_piece(piece, Reading()))


def _refused(tmp_path, bad, good):
    (tmp_path / "a.jsonl").write_bytes(_lines(*[GOOD % n for n in range(50)]))
    lines = [b'{"id": "x", "body": "b"}'] * bad + [GOOD % n for n in range(good)]
    (tmp_path / "b.jsonl").write_bytes(_lines(*lines))
    files = find_files([tmp_path])
    pieces = []
    for piece in cut(files, 500):
        refusals = Refusals()
        list(read_piece(piece, Reading(), refusals))
        # What a worker hands back is plain data.
        pieces.append(json.loads(json.dumps(refusals.to_json())))
    assert len(pieces) > 2
    return merge_refusals(pieces), files


def test_one_twentieth_of_bad_records_passes_and_one_more_is_a_wrong_schema(tmp_path):
    refusals, files = _refused(tmp_path, 5, 95)
    check_share(refusals, files, 0.05)
    refusals, files = _refused(tmp_path, 6, 94)
    with pytest.raises(CorpusError, match=r"b.jsonl: 6 of 100 records .*no_text 6.*record 1: no_t"):
        check_share(refusals, files, 0.05)


def test_all_refusals_are_counted_and_the_first_twenty_listed_in_order(tmp_path):
    refusals, _ = _refused(tmp_path, 60, 3)
    assert refusals.by_reason() == {"no_text": 60}
    assert refusals.records == {0: 50, 1: 63}
    assert [one.record for one in refusals.listed["no_text"]] == list(range(1, 21))


def test_blank_documents_are_no_wrong_schema(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(_lines(*[b'{"text": " "}'] * 9, GOOD % 1))
    rows, refusals = read_all([tmp_path])
    assert len(rows) == 1
    check_share(refusals, find_files([tmp_path]), 0.05)


def _texts(tmp_path, good, bad):
    for number in range(good):
        (tmp_path / f"{number}.txt").write_text("good")
    for number in range(bad):
        (tmp_path / f"bad{number}.txt").write_bytes("\u5751".encode("gbk"))
    return find_files([tmp_path])


@pytest.mark.parametrize(
    ("good", "bad", "passes"),
    [(200, 1, True), (190, 10, True), (189, 11, False), (1, 2, True), (2, 3, False)],
)
def test_files_of_one_document_are_judged_together(tmp_path, good, bad, passes):
    files = _texts(tmp_path, good, bad)
    _, refusals = read_all([tmp_path])
    assert refusals.by_reason() == {"not_utf8": bad}
    if passes:
        check_share(refusals, files, 0.05)
        return
    what = rf"{good + bad} files .* such as bad0.txt: {bad} of {good + bad} records .*bad0.txt, re"
    with pytest.raises(CorpusError, match=what) as raised:
        check_share(refusals, files, 0.05)
    least = -(-100 * bad // (good + bad)) / 100
    assert f"`corpus.reading.most_refused`, now 0.05, be at least {least:g}" in raised.value.remedy
    check_share(refusals, files, least)


def test_without_tolerance_one_bad_file_ends_the_run_and_so_does_one_that_is_all(tmp_path):
    files = _texts(tmp_path, 200, 1)
    _, refusals = read_all([tmp_path])
    with pytest.raises(CorpusError, match="1 of 201 records"):
        check_share(refusals, files, 0)
    _, refusals = read_all([tmp_path / "bad0.txt"])
    with pytest.raises(CorpusError, match=r"bad0.txt: 1 of 1 records cannot be read"):
        check_share(refusals, find_files([tmp_path / "bad0.txt"]), 0.05)


def test_refused_records_count_with_their_bytes(tmp_path):
    long = b'{"id": "a", "text": "%s"}' % (b"x" * 5000)
    lines = [GOOD % 1, long, b"not json", b'{"id": "b"}', GOOD % 2]
    (tmp_path / "a.jsonl").write_bytes(_lines(*lines))
    (tmp_path / "b.txt").write_bytes(b"y" * 3000)
    (tmp_path / "c.txt").write_bytes(b"z\xff")
    pq.write_table(pa.table({"text": ["w" * 4000, "\u597d" * 9, " "]}), tmp_path / "d.parquet")
    rows, refusals = read_all([tmp_path], most_document_bytes=2000)
    assert [row["text"] for row in rows] == ["good", "good", "\u597d" * 9]
    merged = merge_refusals([json.loads(json.dumps(refusals.to_json()))])
    assert merged.bytes_by_reason() == {
        "empty_text": 1,
        "no_text": len(lines[3]),
        "not_json": len(lines[2]),
        "not_utf8": 2,
        "too_long": len(long) + 3000 + 4000,
    }
    assert [one.what for one in merged.listed["too_long"]] == [
        f"a.jsonl, record 2: too_long ({len(long)} bytes)",
        "b.txt, record 1: too_long (3000 bytes)",
        "d.parquet, record 1: too_long (4000 bytes)",
    ]


def test_a_record_of_too_many_values_is_refused_before_it_is_taken_apart(tmp_path):
    wide = b'{"id": "w", "text": "t", "more": [' + b"{}," * (1 << 21) + b"{}]}"
    # Commas and brackets in a string are text, whatever escapes stand around them.
    text = '[,{"\\' * (1 << 20)
    (tmp_path / "a.jsonl").write_bytes(
        _lines(GOOD % 1, wide, json.dumps({"id": "b", "text": text}).encode())
    )
    rows, refusals = read_all([tmp_path])
    assert [row["id"] for row in rows] == ["1", "b"]
    assert rows[1]["text"] == text
    assert refusals.bytes_by_reason() == {"too_wide": len(wide)}


@pytest.mark.parametrize("encoding", ["RLE_DICTIONARY", "DELTA_BYTE_ARRAY"])
def test_a_small_parquet_file_does_not_fill_the_memory(tmp_path, encoding):
    rows, letters = 300, 900_000
    text = pa.DictionaryArray.from_arrays(pa.array([0] * rows), pa.array(["a" * letters]))
    path = tmp_path / "a.parquet"
    if encoding == "DELTA_BYTE_ARRAY":
        table = pa.table({"text": text.dictionary_decode()})
        pq.write_table(table, path, use_dictionary=False, column_encoding={"text": encoding})
        del table
    else:
        pq.write_table(pa.table({"text": text}), path, store_schema=False)
    assert path.stat().st_size < letters
    before = pa.total_allocated_bytes()
    (piece,) = cut(find_files([tmp_path]))
    count, most = 0, 0
    for batch in read_piece(piece, Reading()):
        count += batch.num_rows
        most = max(most, pa.total_allocated_bytes() - before)
    assert count == rows
    assert most < rows * letters // 3
