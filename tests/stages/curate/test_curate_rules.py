import re

import numpy as np
import pyarrow as pa
import pytest

from farthing.artifacts.config import parse_config
from farthing.documents.measure import SIGNALS
from farthing.errors import ConfigError
from farthing.stages.curate.profiles import (
    Rule,
    RuleBook,
    build_rules,
    choose_profiles,
    shipped_profiles,
)
from farthing.stages.curate.rules import KEPT, failing, judge
from farthing.stages.curate.settings.rules import RulesConfig

# From the papers, typed from them: Gopher (arXiv 2112.11446) A1.1 and table A1, C4 (arXiv
# 1910.10683) 2.2, FineWeb (arXiv 2406.17557) 3.6 and its published code.
PUBLISHED = {
    "tokens": (50, 100_000),
    "mean_token": (3, 10),
    "hash_share": (None, 0.1),
    "ellipsis_share": (None, 0.1),
    "bullet_lines": (None, 0.9),
    "ellipsis_lines": (None, 0.3),
    "alphabetic_share": (0.8, None),
    "stop_words": (2, None),
    "repeated_lines": (None, 0.30),
    "repeated_paragraphs": (None, 0.30),
    "repeated_line_share": (None, 0.20),
    "repeated_paragraph_share": (None, 0.20),
    "top_2_gram": (None, 0.20),
    "top_3_gram": (None, 0.18),
    "top_4_gram": (None, 0.16),
    "repeated_5_grams": (None, 0.15),
    "repeated_6_grams": (None, 0.14),
    "repeated_7_grams": (None, 0.13),
    "repeated_8_grams": (None, 0.12),
    "repeated_9_grams": (None, 0.11),
    "repeated_10_grams": (None, 0.10),
    "c4_sentences": (5, None),
    "filler_phrases": (None, 0),
    "curly_brackets": (None, 0),
    "terminal_lines": (0.12, None),
    "short_lines": (None, 0.67),
    "repeated_line_text": (None, 0.01),
    "newlines_per_word": (None, 0.3),
}
# The Chinese limits as calibrated.
CHINESE = {
    "cjk_characters": (40, None),
    "cjk_share": (0.1, None),
    "mean_line": (5, None),
    "top_2_gram": (None, 0.25),
    "repeated_5_grams": (None, 0.5),
    "repeated_13_grams": (None, 0.3),
    "punctuation_share": (0.01, 0.4),
    "character_entropy": (3, None),
    "sentence_ends": (1, None),
}


def limits(profile):
    return {rule.signal: (rule.least, rule.most) for rule in shipped_profiles()[profile].values()}


def build(**settings):
    return build_rules(parse_config(RulesConfig, settings, where="recipe"))


def signals_with(**columns):
    """Signals that no rule minds but for `columns`, which the tests below ask about."""
    size = max(len(values) for values in columns.values())
    signals = np.zeros((size, len(SIGNALS)), dtype=np.float32)
    for name, values in columns.items():
        signals[:, SIGNALS.index(name)] = values
    return signals


def test_the_web_profile_is_the_published_rules():
    assert limits("web") == PUBLISHED


def test_the_chinese_profile_has_the_calibrated_limits():
    assert limits("zh").items() >= CHINESE.items()
    long_only = {r.signal for r in shipped_profiles()["zh"].values() if r.from_characters == 200}
    assert long_only == {"character_entropy", "sentence_ends"}


def test_every_shipped_rule_names_its_source():
    for rules in shipped_profiles().values():
        for rule in rules.values():
            assert rule.source
            assert re.search(r"arXiv \d{4}\.\d{5}|^measured|^as for|published|Gopher", rule.source)


def test_the_first_failing_rule_is_the_reason_and_every_failing_one_is_counted():
    book = RuleBook(
        {
            "a": (Rule("tokens", 10, None, "x"), Rule("digit_share", None, 0.5, "x")),
            "b": (Rule("digit_share", None, 0.2, "x"),),
        },
        {},
    )
    signals = signals_with(tokens=[5, 20, 5, 20, 5], digit_share=[0.9, 0.9, 0.1, 0.3, 0.3])
    profiles = np.array([0, 0, 0, 1, -1], dtype=np.int16)
    judgement = judge(book, profiles, signals)
    assert judgement.reasons == ("rule:a.tokens", "rule:a.digit_share", "rule:b.digit_share")
    assert judgement.first.tolist() == [0, 1, 0, 2, KEPT]
    assert judgement.first.dtype == np.int16
    assert judgement.failures.tolist() == [2, 2, 1]


def test_limits_themselves_are_kept():
    rules = (Rule("digit_share", 0.1, 0.3, "x"), Rule("tokens", 50, None, "x"))
    signals = signals_with(digit_share=[0.1, 0.3, 0.0999, 0.3001], tokens=[50, 49, 51, 50])
    assert failing(rules, signals).tolist() == [
        [False, False], [False, True], [True, False], [True, False]
    ]  # fmt: skip


def test_a_rule_for_long_texts_lets_short_ones_pass():
    rules = (Rule("sentence_ends", 1, None, "x", from_characters=200),)
    signals = signals_with(characters=[199, 200, 200], sentence_ends=[0, 0, 1])
    assert failing(rules, signals)[:, 0].tolist() == [False, True, False]


def test_judging_in_parts_adds_up_to_judging_at_once():
    rng = np.random.default_rng(0)
    signals = rng.random((300, len(SIGNALS)), dtype=np.float32) * 60
    book = build_rules(RulesConfig())
    profiles = rng.integers(-1, len(book.profiles), 300).astype(np.int16)
    whole = judge(book, profiles, signals)
    parts = [judge(book, profiles[a:b], signals[a:b]) for a, b in ((0, 7), (7, 7), (7, 300))]
    assert np.concatenate([part.first for part in parts]).tolist() == whole.first.tolist()
    assert sum(part.failures for part in parts).tolist() == whole.failures.tolist()


def test_a_recipe_changes_adds_and_removes_rules():
    book = build(
        profiles={
            "zh": {"cjk_share": {"least": 0.3}, "tokens": {"most": 9}, "bracket_share": None},
            "en": {"mean_token": {"most": None}},
        }
    )
    zh = {rule.signal: rule for rule in book.profiles["zh"]}
    assert (zh["cjk_share"].least, zh["cjk_share"].source) == (0.3, "set in the recipe")
    assert (zh["tokens"].least, zh["tokens"].most) == (None, 9)
    assert "bracket_share" not in zh
    en = {rule.signal: rule for rule in book.profiles["en"]}
    assert (en["mean_token"].least, en["mean_token"].most) == (3, None)
    order = [rule.signal for rule in book.profiles["zh"]]
    assert order == [s for s in limits("zh") if s != "bracket_share"] + ["tokens"]
    assert {rule.signal for rule in build().profiles["zh"]} == set(limits("zh"))


@pytest.mark.parametrize(
    ("settings", "what", "remedy"),
    [
        ({"profiles": {"zhh": {}}}, "no profile 'zhh'", "did you mean 'zh'?"),
        ({"profiles": {"zh": {"cjk": None}}}, "no signal 'cjk'", "cjk_share"),
        ({"profiles_for": {"poetry*": "poems"}}, "no profile 'poems'", "verse"),
        ({"profiles": {"en": {"lines": {}}}}, "drops nothing", "lines: null"),
        ({"profiles": {"en": {"mean_token": {"least": 11}}}}, "more than most 10", "correct"),
        ({"profiles": {"en": {"lines": {"lest": 1}}}}, "no setting", "did you mean 'least'"),
        ({"profile": {}}, "no setting 'profile'", "did you mean 'profiles"),
    ],
    ids=["profile", "signal", "pattern", "no limit", "crossed", "limit", "key"],
)
def test_what_does_not_exist_is_an_error_that_names_what_does(settings, what, remedy):
    with pytest.raises(ConfigError) as raised:
        build(**settings)
    assert what in raised.value.what
    assert remedy in raised.value.remedy


def test_a_document_gets_the_profile_of_its_source_its_domain_or_its_language():
    book = build(profiles_for={"*poetry*": "verse", "crawl": "web", "raw*": "none"})
    table = [
        ("zh", "books", "zh", "zh"),
        ("zh-Hant", "books", "zh", "zh"),
        ("lzh", "books", "zh", "zh"),
        ("en", "books", "en", "en"),
        ("code", "x", "code", "code"),
        ("maths", "x", "maths", "maths"),
        ("fr", "x", "fr", "other"),
        ("ja", "x", "ja", "other"),
        ("und", "x", "und", "other"),
        ("zh", "github:chinese-poetry/x", "zh", "verse"),
        ("en", "x", "crawl", "web"),
        ("en", "Crawl", "x", "en"),
        ("en", "raw/1", "x", None),
        ("en", "raw poetry", "x", "verse"),
    ]
    languages, sources, domains, expected = zip(*table, strict=True)
    names = [*book.profiles, None]
    for column in (pa.array(languages), pa.array(languages).dictionary_encode()):
        codes = choose_profiles(book, column, pa.array(sources), pa.array(domains))
        assert [names[code] for code in codes] == list(expected)
        assert codes.dtype == np.int16


@pytest.mark.parametrize(
    ("profile", "lines", "dropped"),
    [("zh", 3, False), ("zh", 4, True), ("web", 2, True)],
    ids=["a title and two paragraphs", "four lines", "as published"],
)
def test_few_chinese_lines_may_end_in_an_ellipsis(profile, lines, dropped):
    rules = [rule for rule in build().profiles[profile] if rule.signal == "ellipsis_lines"]
    signals = signals_with(ellipsis_lines=[0.5], lines=[lines], characters=[300])
    assert failing(rules, signals).tolist() == [[dropped]]


def test_a_changed_rule_keeps_from_where_on_it_holds():
    changes = {"ellipsis_lines": {"most": 0.6}, "bullet_lines": {"from_lines": 9}}
    rules = {rule.signal: rule for rule in build(profiles={"zh": changes}).profiles["zh"]}
    assert (rules["ellipsis_lines"].most, rules["ellipsis_lines"].from_lines) == (0.6, 4)
    assert (rules["bullet_lines"].most, rules["bullet_lines"].from_lines) == (0.9, 9)
