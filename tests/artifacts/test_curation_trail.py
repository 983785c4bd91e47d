"""A corpus' trail comes back as it was written, adds up, and shows the same however it was cut."""

from __future__ import annotations

import hashlib
import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from farthing.artifacts.curation import (
    Amount,
    BenchmarkHits,
    Cluster,
    ClusterMember,
    Contamination,
    Dropped,
    Funnel,
    FunnelStep,
    Hit,
    MaskCount,
    MixedStream,
    Mixture,
    Sample,
    Share,
)
from farthing.artifacts.funnel import Fate, Fates, StepFacts, count_funnel, count_shares
from farthing.artifacts.reservoir import Reservoir, joined, spread
from farthing.artifacts.trail import TRAIL_NAMES, Trail, read_trail, write_trail
from farthing.errors import ArtifactError

# A line separator, a direction override, a byte of no text: all of which real documents hold.
ODD = "a\u2028b\u202ec\x00d\n」e"


def _amount(documents, size):
    return Amount(documents=documents, bytes=size)


def _step(name, entered, left, **more):
    return FunnelStep(name=name, entered=entered, left=left, **more)


@pytest.fixture
def trail():
    gone = Dropped(domain="zh", reason="rule:zh.cjk_share", amount=_amount(1, 10))
    steps = (
        _step("read", _amount(3, 60), _amount(3, 50), changed_bytes=10),
        _step("rules", _amount(3, 50), _amount(2, 40), dropped=(gone,), tokens=9),
    )
    member = ClusterMember(
        id="m", source="s", domain="zh", bytes=4, kept=True, jaccard=0.9, excerpt=ODD
    )
    hit = Hit(
        benchmark="b",
        item="1",
        document=ODD,
        source="s",
        domain="en",
        score=0.9,
        answer=None,
        verdict="contaminated",
        question="q",
        snippet=ODD,
    )
    stream = MixedStream(stream="zh.high", domain="zh", tokens=100, weights=(0.5, 1.0))
    return Trail(
        funnel=Funnel(
            steps=steps,
            languages=(Share(name="zh", read=_amount(3, 60), kept=_amount(2, 40)),),
            masks=(MaskCount(kind="email", domain="zh", masks=3, documents=1),),
            mixture=Mixture(until=(0.75, 1.0), streams=(stream,)),
        ),
        samples=(
            Sample(
                id=ODD,
                source="s",
                domain="zh",
                language="zh",
                licence="CC0",
                step="rules",
                reason="rule:zh.cjk_share",
                letters=9,
                text=ODD,
                signals={"cjk_share": None, "digits": 0.5},
            ),
        ),
        clusters=(Cluster(documents=2, bytes=8, members=(member,)),),
        contamination=Contamination(
            benchmarks=(
                BenchmarkHits(benchmark="b", items=5, items_hit=1, documents=1, question_only=0),
            ),
            hits=(hit,),
            unlisted=2,
        ),
    )


class TestFiles:
    def test_a_trail_comes_back_whole(self, trail, tmp_path):
        write_trail(tmp_path, trail)
        assert {path.name for path in tmp_path.iterdir()} == set(TRAIL_NAMES)
        assert read_trail(tmp_path) == trail
        assert (tmp_path / "samples.jsonl").read_text("ascii").count("\n") == 1

    def test_a_corpus_without_one_has_none(self, tmp_path):
        assert read_trail(tmp_path) is None

    def test_without_evaluation_sets_there_is_no_file_of_contamination(self, trail, tmp_path):
        write_trail(tmp_path, trail.model_copy(update={"contamination": None}))
        assert not (tmp_path / "contamination.json").exists()
        assert read_trail(tmp_path).contamination is None

    @pytest.mark.parametrize("name", ["funnel.json", "samples.jsonl", "clusters.jsonl"])
    def test_a_damaged_file_is_named(self, trail, tmp_path, name):
        write_trail(tmp_path, trail)
        (tmp_path / name).write_text('{"id": 7}\n')
        with pytest.raises(ArtifactError, match=name):
            read_trail(tmp_path)

    def test_a_missing_file_is_named(self, trail, tmp_path):
        write_trail(tmp_path, trail)
        (tmp_path / "clusters.jsonl").unlink()
        with pytest.raises(ArtifactError, match=r"clusters\.jsonl"):
            read_trail(tmp_path)


class TestFunnel:
    def test_a_step_that_does_not_add_up_is_refused(self):
        with pytest.raises(ValidationError, match="step rules"):
            _step("rules", _amount(3, 30), _amount(2, 20))

    def test_text_may_not_change_between_two_steps(self):
        one, two = _amount(1, 10), _amount(2, 20)
        with pytest.raises(ValidationError, match="entered b"):
            Funnel(steps=(_step("a", one, one), _step("b", two, two)))

    def test_reasons_are_added_up_over_domains_the_most_bytes_first(self):
        dropped = [("en", "x", 1, 5), ("zh", "y", 1, 8), ("zh", "x", 2, 7)]
        step = _step(
            "rules",
            _amount(5, 25),
            _amount(1, 5),
            dropped=tuple(
                Dropped(domain=domain, reason=reason, amount=_amount(count, size))
                for domain, reason, count, size in dropped
            ),
        )
        assert list(step.reasons().items()) == [("x", _amount(3, 12)), ("y", _amount(1, 8))]
        assert step.gone == _amount(4, 20)

    def test_epochs_are_tokens_drawn_over_tokens_there_phase_by_phase(self):
        streams = (
            MixedStream(stream="en", domain="en", tokens=400, weights=(0.9, 0.2)),
            MixedStream(stream="zh", domain="zh", tokens=100, weights=(0.1, 0.8)),
            MixedStream(stream="none", domain="zh", tokens=0, weights=(0.0, 0.0)),
        )
        mixture = Mixture(until=(0.75, 1.0), streams=streams)
        # Of 1,000 tokens, 750 are drawn in the first phase: 675 + 50 and 75 + 200.
        assert mixture.epochs(1000) == pytest.approx({"en": 725 / 400, "zh": 275 / 100})

    @pytest.mark.parametrize(
        ("until", "weights"),
        [((0.5, 1.0), (1.0,)), ((0.5,), (1.0,)), ((0.7, 0.5, 1.0), (1.0, 1.0, 1.0))],
        ids=["a weight too few", "ends early", "falls"],
    )
    def test_phases_that_fit_nothing_are_refused(self, until, weights):
        stream = MixedStream(stream="en", domain="en", tokens=1, weights=weights)
        with pytest.raises(ValidationError):
            Mixture(until=until, streams=(stream,))


NAMES = (Fate("rules", "rule:web.digits"), Fate("near", "near_duplicate"), Fate("rules", "other"))
DOMAINS = ("en", "zh")
DOCUMENT = st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 2**40))


class TestCounting:
    @given(st.lists(DOCUMENT, max_size=30), st.integers(0, 5))
    def test_as_one_would_document_by_document(self, documents, refused):
        columns = np.array(documents, dtype=np.int64).reshape(-1, 3).T
        fates = Fates(NAMES, columns[0], columns[2], columns[1], DOMAINS)
        facts = {
            "read": StepFacts(),
            "rules": StepFacts(changed_bytes=7),
            "near": StepFacts(tokens=5),
        }
        wrong = {"not_json": _amount(refused, 3 * refused)} if refused else {}
        read, rules, near = count_funnel(facts, fates, wrong)
        counts, sizes = Counter(), Counter()
        for code, domain, size in documents:
            counts[code, DOMAINS[domain]] += 1
            sizes[code, DOMAINS[domain]] += size
        for step, codes in ((rules, (1, 3)), (near, (2,))):
            said = {(each.reason, each.domain): each.amount for each in step.dropped}
            assert said == {
                (NAMES[code - 1].reason, domain): _amount(counts[code, domain], sizes[code, domain])
                for code in codes
                for domain in DOMAINS
                if counts[code, domain]
            }
        assert near.left == _amount(
            sum(counts[0, domain] for domain in DOMAINS), sum(sizes[0, d] for d in DOMAINS)
        )
        whole = _amount(len(documents) + refused, sum(sizes.values()) + 7 + 3 * refused)
        assert read.entered == whole
        assert (rules.changed_bytes, near.tokens) == (7, 5)
        Funnel(steps=(read, rules, near))

    def test_shares_are_of_text_read_and_text_kept(self):
        fates = Fates(NAMES, np.array([0, 1, 0]), np.array([5, 6, 7]), np.array([0, 0, 1]), DOMAINS)
        shares = count_shares(
            ("en", "ja", "zh"), np.array([2, 2, 0]), fates, read_bytes=np.array([10, 20, 7])
        )
        assert shares == (
            Share(name="zh", read=_amount(2, 30), kept=_amount(1, 5)),
            Share(name="en", read=_amount(1, 7), kept=_amount(1, 7)),
        )


class TestSamples:
    @given(
        st.lists(st.tuples(st.sampled_from("ab"), st.text(max_size=3)), max_size=40),
        st.integers(0, 4),
        st.lists(st.integers(0, 40), max_size=4),
    )
    def test_the_same_are_drawn_however_the_documents_are_cut(self, documents, size, cuts):
        pieces, begin = [], 0
        for end in (*sorted(cuts), len(documents)):
            piece = Reservoir(size)
            for group, identity in documents[begin : max(begin, end)]:
                piece.offer(group, identity, lambda made=(group, identity): made)
            pieces.append(piece)
            begin = max(begin, end)
        wanted = []
        for group in "ab":
            ids = {identity for other, identity in documents if other == group}
            ranked = sorted(
                ids, key=lambda each: (hashlib.blake2b(each.encode(), digest_size=8).digest(), each)
            )
            wanted += [(group, identity) for identity in ranked[:size]]
        assert joined(pieces, size).items() == wanted
        assert joined(reversed(pieces), size).items() == wanted

    def test_what_is_not_drawn_is_not_made(self):
        made = []
        drawn = Reservoir(1)
        for number in range(200):
            drawn.offer("g", str(number), lambda number=number: made.append(number) or number)
        assert len(made) < 20
        assert len(drawn.items()) == 1

    def test_clusters_shown_are_the_largest_and_some_of_every_size(self):
        sizes = [2] * 50 + [9, 3, 100] + [2] * 50
        shown = spread(sizes, 6)
        assert shown[:3] == [52, 50, 51]
        assert len(set(shown)) == 6
        assert spread([5, 7], 6) == [1, 0]


def test_what_the_files_hold_is_plain_json(trail, tmp_path):
    write_trail(tmp_path, trail)
    funnel = json.loads((tmp_path / "funnel.json").read_text("ascii"))
    assert [step["name"] for step in funnel["steps"]] == ["read", "rules"]
    assert funnel["steps"][1]["dropped"][0]["amount"] == {"documents": 1, "bytes": 10}
