"""Real documents survive the rules; the published English rules are what they are said to be."""

import pytest
from judged import counted_reasons, reasons_of
from real_documents import SAMPLE, documents_by_genre

# Genre, profile, least share that is kept. Of the whole collection: novels .998, law .996,
# technical Chinese .880, poems .988 as verse, books .978, problems .967.
BOUNDS = [
    ("zh_novels", "zh", 0.96),
    ("zh_law", "zh", 0.99),
    ("zh_classical", "zh", 0.9),
    ("zh_classical", "verse", 0.9),
    ("zh_tech", "zh", 0.85),
    ("zh_poetry", "verse", 0.92),
    ("en_books", "en", 0.95),
    ("en_speech", "en", 0.99),
    ("en_peps", "en", 0.9),
    ("en_rust", "en", 0.9),
    ("en_speech", "web", 0.9),
    ("code_algorithms", "code", 0.99),
    ("code_cpython", "code", 0.99),
    ("code_rust", "code", 0.99),
    ("maths_problems", "maths", 0.9),
    ("maths_logic", "maths", 0.9),
    ("other", "other", 0.99),
]


@pytest.mark.parametrize(("genre", "profile", "bound"), BOUNDS)
def test_real_documents_are_kept(genre, profile, bound):
    reasons = counted_reasons(documents_by_genre()[genre], profile)
    assert reasons[None] / reasons.total() >= bound, reasons


@pytest.mark.parametrize("genre", ["zh_novels", "zh_law", "zh_classical", "zh_tech"])
def test_the_english_rules_keep_no_chinese(genre):
    assert counted_reasons(documents_by_genre()[genre], "en")[None] == 0


def test_the_published_rules_drop_most_technical_english():
    reasons = counted_reasons(documents_by_genre()["en_rust"], "web")
    assert reasons[None] / reasons.total() < 0.2


def test_other_languages_fail_the_english_rules_for_their_words():
    reasons = reasons_of(documents_by_genre()["other"], "en")
    assert reasons.count("rule:en.stop_words") + reasons.count("rule:en.mean_token") >= 5


def test_the_sample_is_small_and_half_chinese():
    genres = documents_by_genre()
    assert sum(len(texts) for genre, texts in genres.items() if genre.startswith("zh")) >= 100
    assert sum(map(len, genres.values())) >= 300
    assert SAMPLE.stat().st_size < 1_000_000
