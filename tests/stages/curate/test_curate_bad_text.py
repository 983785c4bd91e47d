"""Bad text in a run: what is lost is said, what is measured stays for the next run."""

from __future__ import annotations

import gzip
import json
import re

import pytest

from farthing.cli.main import main
from farthing.errors import CorpusError
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.run import curate, work_folder
from farthing.text.corpus import SPLITS


def _config(*sources, **reading):
    return CurateConfig(
        sources=tuple(map(str, sources)),
        until="raw",
        workers=1,
        tokenizer="bytes",
        held_out_share=0.1,
        reading=reading,
    )


def _rows(first, count, word, **more):
    rows = [{"text": f"{word} number {n} " * 20, **more} for n in range(first, first + count)]
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_records_without_ids_of_two_folders_with_equal_names_are_all_kept(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "part-0.jsonl").write_text(_rows(0, 30, folder))
    corpus = curate(_config(tmp_path / "a", tmp_path / "b"), tmp_path / "corpus", "key").corpus
    found = {r.id for split in SPLITS for r in corpus.documents(split, "und")}
    assert found == {f"{f}/part-0.jsonl:{n}" for f in ("a", "b") for n in range(1, 31)}
    assert corpus.manifest.detail["dropped"] == {}


def _numbered(tmp_path, name, count, word):
    lines = "".join(
        json.dumps({"id": n, "text": f"{word} number {n} " * 20}) + "\n" for n in range(count)
    )
    (tmp_path / name).write_text(lines)
    return tmp_path / name


def test_two_sets_that_are_numbered_alike_end_the_run_and_their_work_stays(tmp_path):
    one = _numbered(tmp_path, "one.jsonl", 40, "first")
    two = _numbered(tmp_path, "two.jsonl", 30, "second")
    place = tmp_path / "corpus"
    with pytest.raises(
        CorpusError, match=r"two\.jsonl: 30 of 30 documents .* one\.jsonl"
    ) as raised:
        curate(_config(one, two), place, "key")
    assert "`corpus.reading.columns.id`" in raised.value.remedy
    assert (work_folder(place) / "measure").is_dir()
    # The same text twice is no other set, whatever it is called.
    three = _numbered(tmp_path, "three.jsonl", 30, "first")
    detail = curate(_config(one, three), place, "key").corpus.manifest.detail
    assert detail["dropped"] == {"repeated_document": 30}
    config = _config(one, two, most_refused=1.0)
    detail = curate(config, tmp_path / "wide", "key").corpus.manifest.detail
    assert detail["dropped"] == {"duplicate_id": 30}


def test_the_terminal_names_files_that_were_cut_short_or_empty(tmp_path, capsys):
    folder = tmp_path / "text"
    folder.mkdir()
    (folder / "whole.jsonl").write_text(_rows(0, 60, "whole"))
    packed = gzip.compress(_rows(0, 900, "cut").encode())
    (folder / "cut.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    for number in range(11):
        (folder / f"empty{number:02d}.txt").write_bytes(b"")
    changes = [f"corpus.sources=[{folder}]", "corpus.until=raw", "corpus.tokenizer=bytes"]
    changes += ["corpus.workers=1", "corpus.held_out_share=0.1"]
    command = ["curate", "--recipe", "pile", "--workspace", str(tmp_path / "w")]
    assert main([*command, *(word for each in changes for word in ("--set", each))]) == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    assert re.fullmatch(r"note: cut.jsonl.gz: truncated_file \(behind byte \d+ .*\)", notes[0])
    assert notes[1:10] == [f"note: empty{number:02d}.txt: empty_file" for number in range(9)]
    assert re.match(r"note: 2 more files are empty, cut short .*refused\.jsonl$", notes[10])


def test_one_bad_text_among_many_passes_and_what_was_refused_went_in_too(tmp_path):
    folder = tmp_path / "text"
    folder.mkdir()
    texts = [f"text number {number} " * 20 for number in range(60)]
    for number, text in enumerate(texts):
        (folder / f"{number:02d}.txt").write_text(text)
    bad = "\u8fd9\u662f\u6c49\u5b57".encode("gbk")
    (folder / "bad.txt").write_bytes(bad)
    long = json.dumps({"text": "long " * 1000})
    (folder / "long.jsonl").write_text(long + "\n")
    made = curate(_config(folder, most_document_bytes=2000), tmp_path / "corpus", "key")
    read = made.trail.funnel.steps[0]
    assert read.left.documents == len(texts)
    assert read.entered.documents == len(texts) + 2
    assert read.entered.bytes == sum(map(len, texts)) + len(bad) + len(long)
    assert {reason: amount.bytes for reason, amount in read.reasons().items()} == {
        "not_utf8": len(bad),
        "too_long": len(long),
    }
