"""The page about a corpus: the funnel adds up, nothing of a document acts, gaps are said."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import pytest
from trails import ATTACK, add_trail, made_up_funnel, made_up_trail

from farthing.artifacts.curation import Amount, Dropped, Funnel, FunnelStep
from farthing.artifacts.manifest import read_manifest, write_manifest
from farthing.artifacts.workspace import Workspace
from farthing.charts.funnel import FunnelRow, Slice, draw_funnel
from farthing.cli.main import main
from farthing.documents.refused import REFUSED_NAME
from farthing.errors import ArtifactError, UsageError
from farthing.report.data_page import render_data_page, write_data_page
from farthing.report.facts.data import StreamFacts
from farthing.report.facts.trail import find_corpus_folder, read_trail_facts
from farthing.report.run import write_report
from farthing.report.sections.trail import trail_section


@pytest.fixture(scope="module")
def curated(made, tmp_path_factory):
    """A workspace with a second corpus, which says how it was made."""
    root = tmp_path_factory.mktemp("curated")
    shutil.copytree(made.root, root / "w")
    shutil.copytree(made.root.parent / "home", root / "home")
    copy = Workspace(root / "w")
    add_trail(copy, "messy-0123456789", made_up_trail())
    return copy


@pytest.fixture(scope="module")
def curated_facts(curated):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FARTHING_HOME", str(curated.root.parent / "home"))
        return read_trail_facts(curated, "messy")


@pytest.fixture(scope="module")
def data_page(curated_facts):
    return render_data_page(curated_facts).decode()


@pytest.fixture
def own_home(curated, monkeypatch):
    monkeypatch.setenv("FARTHING_HOME", str(curated.root.parent / "home"))


def _words(page):
    body = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


def _row(words, name, cells=12):
    """The first cells of the row of the table of steps."""
    table = words.split("Steps in their order")[1]
    return table.split(f" {name} ")[1].split()[:cells]


class TestFunnel:
    def test_the_headline_is_what_went_in_and_what_stayed(self, data_page):
        words = _words(data_page)
        assert "1,000 documents with 10.0 MB of text went in; 671 with 6.10 MB stayed" in words
        assert "(61 % of the bytes)" in words
        # 10 MB in 5 CPU-seconds.
        assert "2.00 MB/CPU-s" in words

    def test_each_step_has_its_amounts_time_and_speed(self, data_page):
        words = _words(data_page)
        assert _row(words, "rules", 6) == ["971", "101", "90", "%", "7.00", "MB"]
        # 7.9 MB in 2 CPU-seconds.
        assert "2.00 3.95" in words.split("Steps in their order")[1]
        assert "\N{MINUS SIGN}2.00 MB" in words

    def test_tokens_are_counted_where_they_were_and_estimated_before(self, curated_facts):
        steps = {view.step.name: view for view in trail_section(curated_facts).steps}
        assert (steps["tokens"].tokens.text, steps["tokens"].tokens.kind) == ("1.50M", "measured")
        assert steps["rules"].tokens.kind == "estimated"

    def test_files_that_were_not_whole_are_named_and_the_others_counted(self, curated, tmp_path):
        copy = Workspace(tmp_path / "w")
        shutil.copytree(curated.root, copy.root)
        shutil.copytree(curated.root.parent / "home", tmp_path / "home")
        place = copy.root / "corpora" / "messy-0123456789"
        listed = [
            {"reason": "truncated_file", "path": f"{ATTACK}.gz", "record": 0, "detail": "at 7"},
            {"reason": "not_json", "path": "b.jsonl", "record": 4, "detail": ""},
        ]
        (place / REFUSED_NAME).write_text("".join(json.dumps(row) + "\n" for row in listed))
        manifest = read_manifest(place, kind="corpus")
        detail = {**manifest.detail, "refused": {"truncated_file": 1, "empty_file": 2, "no_id": 9}}
        (place / "manifest.json").unlink()
        write_manifest(place, kind="corpus", input_key=manifest.input_key, detail=detail)
        page = render_data_page(read_trail_facts(copy, "messy")).decode()
        assert "Files that were not whole: 3" in _words(page)
        assert "truncated_file (at 7) and 2 more" in _words(page)
        assert "b.jsonl" not in page
        assert ATTACK not in page

    def test_where_every_file_was_whole_nothing_is_said_of_it(self, data_page):
        assert "not whole" not in data_page

    def test_reasons_are_listed_with_the_domains_that_lost_most(self, data_page):
        words = _words(data_page)
        assert "rule:zh.cjk_share 40 40 % 500 kB zh 40" in words
        assert "rule:en.alphabetic_share 60 59 % 300 kB en 60" in words

    def test_steps_have_their_part_of_what_the_book_knows(self, curated_facts):
        view = trail_section(curated_facts)
        costs = {each.step.name: each.cost for each in view.steps}
        assert costs["rules"].cpu_seconds == "2.00"
        # Two of five CPU-seconds, of 100 J.
        assert float(costs["rules"].kwh.text) == pytest.approx(40 / 3.6e6, rel=1e-2)
        assert costs["rules"].kwh.kind == "estimated"
        assert "CPU-seconds" in costs["rules"].kwh.source
        beside = {each.name: each.cpu_seconds for each in view.beside}
        assert beside == {"encode": "0.500", "in no step": "0.500"}

    def test_in_the_drawing_all_rows_have_one_scale_and_nothing_vanishes(self):
        rows = [
            FunnelRow("a", (Slice(100, "stays", "stays"), Slice(100, "gone", "gone0")), "100 B"),
            FunnelRow("b", (Slice(50, "stays", "stays"), Slice(1e-9, "hair", "gone0")), "50 B"),
        ]
        drawn = draw_funnel(rows, "f", "t")
        widths = [float(each) for each in re.findall(r'width="([0-9.]+)" height="20"', drawn)]
        assert widths[0] == pytest.approx(widths[1])
        assert widths[2] == pytest.approx(widths[0] / 2, abs=0.1)
        assert widths[3] == 1
        assert drawn.count("<title>") == 4

    def test_the_smallest_reasons_are_drawn_together(self, curated_facts):
        amounts = [(f"reason {n}", Amount(documents=1, bytes=100 - n)) for n in range(9)]
        dropped = tuple(Dropped(domain="en", reason=r, amount=a) for r, a in amounts)
        entered = Amount(documents=10, bytes=1000)
        size = sum(amount.bytes for _, amount in amounts)
        left = Amount(documents=1, bytes=1000 - size)
        step = FunnelStep(name="rules", entered=entered, left=left, dropped=dropped)
        trail = curated_facts.trail.model_copy(update={"funnel": Funnel(steps=(step,))})
        view = trail_section(replace(curated_facts, trail=trail))
        tips = re.findall(r"<title>(rules: [^<]*)</title>", view.wide)
        assert len(tips) == 7
        # The sixth to the ninth reason: 95 + 94 + 93 + 92 bytes.
        assert tips[-1] == "rules: 4 other reasons, 4 documents, 374 B"
        assert len(view.steps[0].reasons) == 9

    def test_an_empty_funnel_is_a_picture_too(self):
        assert "<svg" in draw_funnel([], "f", "t")


class TestWhatStayed:
    def test_languages_domains_and_licences_are_read_against_kept(self, data_page):
        words = _words(data_page)
        assert "zh_law 371 271 4.00 MB 2.10 MB 52 % 40 % 34 %" in words

    def test_epochs_are_said_for_any_run_and_for_those_that_are_there(self, data_page):
        words = _words(data_page)
        # 0.8 x 0.6 + 0.2 x 0.9 of the batches are drawn from 1,000 tokens.
        assert "en.high en 1.00k 60 % 90 % 1.52k" in words
        assert "No finished run of this workspace read this corpus" in words

    def test_parts_by_quality_have_a_column_of_scores(self, curated_facts, data_page):
        assert "stream domain tokens" in _words(data_page)
        parts = {"en.high": StreamFacts("en", 0.25, 0.875)}
        data = replace(curated_facts.data, streams=parts)
        words = _words(render_data_page(replace(curated_facts, data=data)).decode())
        assert "stream domain quality tokens" in words
        assert "en.high en 0.250 to 0.875 1.00k 60 % 90 % 1.52k" in words
        assert "zh zh 2.00k 40 % 10 %" in words

    @pytest.mark.usefixtures("own_home")
    def test_without_a_mixture_each_part_counts_for_its_size(self, curated, tmp_path):
        shutil.copytree(curated.root, tmp_path / "w")
        shutil.copytree(curated.root.parent / "home", tmp_path / "home")
        copy = Workspace(tmp_path / "w")
        shutil.rmtree(find_corpus_folder(copy, "messy"))
        trail = made_up_trail()
        funnel = trail.funnel.model_copy(update={"mixture": None})
        streams = {
            "en": {"domain": "zh", "least_quality": 0.5, "most_quality": 1.0, "documents": 1}
        }
        add_trail(copy, "cut", trail.model_copy(update={"funnel": funnel}), {"streams": streams})
        facts = read_trail_facts(copy, "cut")
        tokens = {each.name: each.splits["train"].tokens for each in facts.data.domains}
        found = {each.stream: (each.domain, each.tokens) for each in facts.mixture.streams}
        # What is divided has no training text of its own to be drawn.
        assert found == {
            name: ({"en": "zh"}.get(name, name), count)
            for name, count in tokens.items()
            if name != "zh"
        }
        assert "en" in found

    @pytest.mark.usefixtures("own_home")
    def test_a_run_of_the_corpus_is_counted_by_its_own_mixture(self, curated):
        place = find_corpus_folder(curated, "messy")
        digest = json.loads((place / "manifest.json").read_text())["content_digest"]
        (run,) = [path for path in curated.runs.iterdir() if not path.name.startswith(".")]
        manifest = run / "supernet" / "manifest.json"
        before = manifest.read_text(), (run / "recipe.json").read_text()
        origin = read_manifest(run / "supernet", kind="supernet").detail
        write_manifest(
            run / "supernet",
            kind="supernet",
            input_key="0" * 64,
            detail={**origin, "corpus": digest, "tokens": 10_000},
        )
        recipe = json.loads(before[1])
        recipe["train"]["mixture"] = {"zh": 3.0, "en.high": 1.0}
        (run / "recipe.json").write_text(json.dumps(recipe))
        try:
            (on,) = read_trail_facts(curated, "messy").runs
        finally:
            manifest.write_text(before[0])
            (run / "recipe.json").write_text(before[1])
        assert on.epochs == pytest.approx({"zh": 7_500 / 2_000, "en.high": 2_500 / 1_000})

    def test_masks_are_counted(self, data_page):
        assert "EMAIL en_web 12 7" in _words(data_page)


class TestDocumentsToLookAt:
    def test_each_dropped_sample_stands_beside_one_of_its_domain_that_stayed(self, curated_facts):
        view = trail_section(curated_facts)
        pairs = [
            (pair.dropped.id, pair.kept.id if pair.kept else None)
            for group in view.samples
            for pair in group.pairs
        ]
        assert pairs == [
            ("doc-en-3", "doc-en-1"),
            ("doc-zh-4", "doc-zh-2"),
            ("doc-fr-5", None),
        ]

    def test_signals_clusters_and_hits_are_there(self, data_page):
        words = _words(data_page)
        assert "alphabetic_share 0.250, mean_word_length no value" in words
        assert "7 documents, 290 B: first" in words
        assert "Jaccard 0.910" in words
        # Items, of which twelve are too short to be looked for, then what was found.
        assert "gsm8k 1,319 12 1 1 3" in words
        assert "arc 2,376 0 0 0 0" in words
        assert "4 more hits are not listed" in words

    def test_nothing_of_a_document_acts_or_hides(self, data_page):
        assert ATTACK not in data_page
        assert "&lt;script&gt;alert" in data_page
        assert "\u202e" not in data_page
        assert "\x1b" not in data_page
        assert len(re.findall(r"<script", data_page)) == 1
        assert "src=" not in data_page
        assert "url(" not in data_page


@pytest.mark.usefixtures("own_home")
class TestWriting:
    def test_the_command_writes_it_and_says_what_is_on_it(self, curated, capsys):
        arguments = ["report", "messy", "--data", "--workspace", str(curated.root)]
        assert main([*arguments, "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert said["kept"] == {"documents": 671, "bytes": 6_100_000}
        assert (curated.root / "data.html").stat().st_size == said["bytes"]
        # A former page gives way.
        assert main(arguments) == 0
        (curated.root / "data.html").unlink()

    @pytest.mark.parametrize(
        "arguments",
        [["report", "messy"], ["report", "--data", "--run", "tiny"], ["report", "x", "--data"]],
        ids=["a corpus without --data", "a run with --data", "no such corpus"],
    )
    def test_what_contradicts_is_refused(self, curated, capsys, arguments):
        assert main([*arguments, "--workspace", str(curated.root)]) == 2
        assert capsys.readouterr().err

    def test_a_corpus_is_found_by_name_digest_and_folder(self, curated):
        place = find_corpus_folder(curated, "messy")
        digest = json.loads((place / "manifest.json").read_text())["content_digest"]
        assert find_corpus_folder(curated, digest[:12]) == place
        assert find_corpus_folder(curated, str(place)) == place.resolve()
        with pytest.raises(UsageError, match="holds 2 corpora") as caught:
            find_corpus_folder(curated, None)
        assert "messy" in caught.value.remedy

    def test_a_changed_trail_is_no_page(self, curated, tmp_path):
        shutil.copytree(curated.root, tmp_path / "w")
        copy = Workspace(tmp_path / "w")
        funnel = find_corpus_folder(copy, "messy") / "funnel.json"
        funnel.write_bytes(funnel.read_bytes().replace(b"not_json", b"not_xml_"))
        with pytest.raises(ArtifactError, match="corrupted"):
            write_data_page(copy, "messy")


def test_the_family_page_links_to_it_where_it_is_about_the_same_text(curated_facts, workspace):
    report = write_report(workspace, None, prompts=())
    assert 'href="data.html"' not in report.path.read_text("utf-8")
    digest = report.facts.data.digest
    about = replace(curated_facts, data=replace(curated_facts.data, digest=digest))
    (workspace.root / "data.html").write_bytes(render_data_page(about))
    report = write_report(workspace, None, prompts=())
    assert 'href="data.html"' in report.path.read_text("utf-8")


def test_the_made_up_funnel_is_one():
    assert made_up_funnel().steps[-1].left.documents == 671
