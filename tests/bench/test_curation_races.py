"""What the races of curation compute around what they time, and what they charge a command."""

from __future__ import annotations

import gzip
import importlib
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import zstandard

ROOT = Path(__file__).parents[2]
FOLDERS = [str(ROOT / "bench" / "curation"), str(ROOT / "bench" / "rivals")]


@pytest.fixture(scope="module")
def modules():
    """The scripts, which find each other beside themselves."""
    before = list(sys.path)
    sys.path[:0] = FOLDERS
    names = ("races", "pile", "tree", "race_duplicates", "race_near", "race_languages")
    names += ("strings_of_sets", "whole_pipeline")
    yield {name: importlib.import_module(name) for name in names}
    sys.path[:] = before


@pytest.fixture
def races(modules):
    return modules["races"]


@pytest.fixture
def pile(modules):
    return modules["pile"]


def _documents(pile, count):
    return [
        pile.Document(str(number), "x" * (number % 7 + 1), number % 7 + 1, "en", "en")
        for number in range(count)
    ]


class TestTurns:
    def test_rates_are_megabytes_over_cpu_seconds_and_sides_alternate(self, races, monkeypatch):
        clock, turns = [0.0], []
        monkeypatch.setattr(races.time, "process_time", lambda: clock[0])

        def work(name, seconds):
            def run():
                turns.append(name)
                clock[0] += seconds

            return run

        sides = [
            races.Side("slow", work("slow", 4.0), lambda: turns.append("warm slow")),
            races.Side("fast", work("fast", 0.1), lambda: turns.append("warm fast")),
        ]
        found = races.race(sides, 2.0, 2)
        assert found["slow"].values == pytest.approx((0.5, 0.5))
        assert found["fast"].values == pytest.approx((20.0, 20.0))
        assert turns[:4] == ["warm slow", "slow", "warm fast", "fast"]
        # Three times each turn: less is too short to time.
        assert turns[4:] == ["slow", *["fast"] * 3] * 2

    def test_parts_one_after_another_are_as_slow_as_their_times_together(self, races):
        parts = [races.Figure.of((2.0, 4.0)), races.Figure.of((2.0, 12.0))]
        assert races.together(parts).values == pytest.approx((1.0, 3.0))

    def test_versions_of_what_is_not_there_are_left_out(self, races):
        assert set(races.version_of("numpy", "no-such-package-at-all")) == {"numpy"}

    def test_a_missing_rival_ends_the_race_with_the_way_to_get_it(self, races, capsys):
        with pytest.raises(SystemExit) as ended:
            races.need("no_such_package_at_all")
        assert ended.value.code == races.measure.SKIPPED
        assert "bench/curation/requirements.txt" in capsys.readouterr().err


class TestPile:
    def test_pages_of_html_are_left_out_and_lang_is_a_language(self, pile, tmp_path):
        rows = [{"text": "a", "lang": "zh"}, {"text": "<p>", "format": "html"}]
        path = tmp_path / "p.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        assert [(each.text, each.language) for each in pile.read([path])] == [("a", "zh")]

    def test_every_form_of_a_file_gives_the_same_documents(self, pile, tmp_path):
        rows = [{"id": "a", "text": "文"}, {"id": "b", "text": "", "domain": "x"}, {"text": "c"}]
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
        (tmp_path / "p.jsonl").write_bytes(data)
        (tmp_path / "q.jsonl.gz").write_bytes(gzip.compress(data))
        (tmp_path / "r.jsonl.zst").write_bytes(zstandard.compress(data))
        (tmp_path / "s.md").write_text("no text of a pile")
        files = pile.files_of([tmp_path])
        assert [path.name for path in files] == ["p.jsonl", "q.jsonl.gz", "r.jsonl.zst"]
        found = [[(each.text, each.bytes) for each in pile.read([path])] for path in files]
        assert found == [[("文", 3), ("c", 1)]] * 3

    def test_the_same_text_is_drawn_from_any_order(self, pile):
        documents = _documents(pile, 50)
        shuffled = random.Random(1).sample(documents, len(documents))
        drawn = pile.draw(documents, 1e-4)
        assert pile.draw(shuffled, 1e-4) == drawn
        assert 100 <= sum(each.bytes for each in drawn) < 107

    def test_batches_hold_all_texts_in_order(self, pile, monkeypatch):
        monkeypatch.setattr(pile, "_BATCH_BYTES", 10)
        documents = _documents(pile, 20)
        made = pile.batches(documents)
        assert [text for each in made for text in each.to_pylist()] == [d.text for d in documents]
        assert len(made) > 3


class TestPairs:
    def test_shingles_are_runs_of_five_words(self, modules):
        shingles = modules["race_duplicates"].shingles
        assert shingles("a b c d e f") == ["a b c d e", "b c d e f"]
        assert shingles("a b") == ["a b"]

    def test_one_word_in_ten_is_changed(self, modules):
        text = " ".join(["word"] * 2000)
        changed = modules["race_duplicates"].changed(text, random.Random(0)).split()
        assert len(changed) == 2000
        assert 150 < sum(word != "word" for word in changed) < 250

    @pytest.mark.parametrize(
        ("domain", "language", "label"),
        [("code_c", "en", "code"), ("x", "zh-Hant", "zh"), ("en", "", "en"), ("maths", "ja", None)],
    )
    def test_strings_are_labelled_by_domain_or_language(
        self, modules, pile, domain, language, label
    ):
        document = pile.Document("i", "t", 1, language, domain)
        assert modules["strings_of_sets"].label_of(document) == label

    def test_right_answers_are_shares_of_one_label(self, modules):
        right = modules["race_languages"].right
        answers, labels = ["zh-Hant", "en", "en", "zh"], ["zh", "zh", "en", "zh"]
        assert right(answers, labels, "zh").values == pytest.approx([2 / 3])
        assert right(answers, labels, "code") is None

    def test_answers_are_counted_by_set_and_together_and_rivals_have_no_class_for_code(
        self, modules
    ):
        labelled = modules["strings_of_sets"].Labelled
        pool = [labelled("a", "en", "one"), labelled("b", "en", "two"), labelled("c", "code", "x")]
        answers = {"farthing": ["en", "zh", "code"], "other": ["en", "en", "en"]}
        assert modules["race_languages"].share_rows(pool, answers) == [
            ["en", "one", "1", "1.0000", "1.0000"],
            ["en", "two", "1", "0.0000", "1.0000"],
            ["en", "all", "2", "0.5000", "1.0000"],
            ["code", "x", "1", "1.0000", "no class"],
            ["code", "all", "1", "1.0000", "no class"],
        ]
        name, share = modules["race_languages"].worst(pool, answers["farthing"], "en")
        assert (name, share.values) == ("two", (0.0,))

    def test_published_strings_are_short_and_of_the_sets_that_are_known(self, modules, tmp_path):
        rows = [{"goal": " " + "to boil an egg " * 30}, {"goal": "short"}, {"goal": ""}]
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
        (tmp_path / "piqa_val.jsonl.gz").write_bytes(gzip.compress(data))
        (tmp_path / "unknown.jsonl").write_bytes(data)
        [found] = modules["strings_of_sets"].published_strings(tmp_path)
        assert (found.label, found.set) == ("en", "piqa_val")
        assert found.text == ("to boil an egg " * 30)[:199].strip()

    def test_similar_pairs_are_those_of_a_comparison_of_all(self, modules):
        near, draw = modules["race_near"], random.Random(3)
        texts = [" ".join(draw.choices("abcdefgh", k=60)) for _ in range(20)]
        texts += [text.replace(" a b ", " x y ", 1) for text in texts] + ["水火" * 9, "水火" * 9]
        sets = near.word_sets(texts)
        assert sets[-1] == {tuple("水火水火水"), tuple("火水火水火")}
        wanted = {
            (a, b)
            for b in range(len(sets))
            for a in range(b)
            if len(sets[a] & sets[b]) >= 0.8 * len(sets[a] | sets[b])
        }
        assert 20 <= len(wanted) < 100
        assert near.similar(sets) == wanted

    def test_copies_have_the_share_of_words_changed_that_was_asked_for(self, modules):
        near = modules["race_near"]
        text = " ".join(["word"] * 5000)
        changed = near._changed(text, 0.1, random.Random(0)).split()
        assert len(changed) == 5000
        assert 400 < sum(word != "word" for word in changed) < 600

    def test_recall_and_precision_are_shares_of_what_is_right_and_of_what_is_found(self, modules):
        truth, found = {(0, 1), (2, 3), (4, 5)}, {(0, 1), (6, 7)}
        recall, precision = modules["race_near"].scores(found, truth)
        assert recall.values == pytest.approx([1 / 3])
        assert precision.values == (0.5,)


class TestCharging:
    def test_a_command_is_charged_with_its_children_and_their_memory(self, modules, tmp_path):
        child = "x = bytearray(60_000_000); import time; time.sleep(0.6); sum(range(3_000_000))"
        parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
        used = modules["tree"].run([sys.executable, "-c", parent], {}, tmp_path / "log")
        assert used.cpu_seconds > 0.02
        assert used.wall_seconds > 0.5
        assert 60e6 < used.peak_bytes < 300e6

    def test_a_command_that_fails_says_what_it_said(self, modules, tmp_path):
        with pytest.raises(RuntimeError, match="no such thing"):
            modules["tree"].run(
                [sys.executable, "-c", "raise SystemExit('no such thing')"], {}, tmp_path / "log"
            )

    def test_memory_of_what_has_ended_is_none(self, modules):
        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as started:
            process = psutil.Process(started.pid)
            time.sleep(0.1)
            assert modules["tree"].memory_of(process) > 0
            started.kill()
        assert modules["tree"].memory_of(process) == 0

    def test_repeated_input_is_the_same_files_under_other_names(self, modules, tmp_path):
        (tmp_path / "a.jsonl").write_text("{}")
        folder = modules["whole_pipeline"].links([tmp_path / "a.jsonl"], tmp_path / "many", 3)
        found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jsonl"))
        assert found == ["000/a.jsonl", "001/a.jsonl", "002/a.jsonl"]
