"""What a corpus' folder says of files that were not whole."""

from __future__ import annotations

import json

import pytest

from farthing.documents.refused import REFUSED_NAME, count_files, files_not_whole
from farthing.errors import ArtifactError


def test_only_files_are_told_and_those_that_lost_text_first(tmp_path):
    rows = [
        {"reason": reason, "path": f"{number}.jsonl", "record": record, "detail": detail}
        for number, (reason, record, detail) in enumerate(
            [("empty_file", 0, ""), ("not_json", 3, "x"), ("truncated_file", 0, "behind byte 7")]
        )
    ]
    (tmp_path / REFUSED_NAME).write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [each.what for each in files_not_whole(tmp_path)] == [
        "2.jsonl: truncated_file (behind byte 7)",
        "0.jsonl: empty_file",
    ]
    assert count_files({"empty_file": 4, "not_json": 9, "truncated_file": 2}) == 6


def test_a_corpus_without_the_list_has_no_such_files_and_a_damaged_list_is_an_error(tmp_path):
    assert files_not_whole(tmp_path) == ()
    (tmp_path / REFUSED_NAME).write_text('{"reason": "empty_file"}\n')
    with pytest.raises(ArtifactError, match="cannot be read"):
        files_not_whole(tmp_path)
