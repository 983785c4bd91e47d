# ruff: noqa: RUF001 - Chinese punctuation is meant
"""Languages told right: short strings never trained on, whole pages, genres, scripts."""

from __future__ import annotations

import io
import json
import textwrap
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.documents.batch import large_strings, text_bytes
from farthing.documents.language.identify import LANGUAGES, identify, traditional_share
from farthing.stages.curate.settings.languages import Language
from farthing.text.sample import sample_file

STRINGS = Path(__file__).with_name("strings.jsonl")
GENRES = Path(__file__).with_name("genres")

# Pages written for this test, one a genre; the name says the language.
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(GENRES.glob("*.txt"))}
PROSE = " ".join(PAGES["en-prose"].split())

SENTENCES = {
    "classical": ("子曰：「學而時習之，不亦說乎？有朋自遠方來，不亦樂乎？」", "zh"),
    "Japanese": ("昨日は友達と一緒に映画を見に行きました。とても面白かったです。", "ja"),
    "Japanese, katakana": ("コンピュータのメモリとディスクの容量", "ja"),
    "Korean": ("어제는 친구와 함께 영화를 보러 갔습니다. 아주 재미있었어요.", "ko"),
    "Russian": ("Вчера мы вместе с друзьями ходили в кино, и фильм нам очень понравился.", "other"),
    "Arabic": ("يولد جميع الناس أحرارا متساوين في الكرامة والحقوق.", "other"),
    "French": ("Hier soir nous sommes allés au cinéma, et le film nous a beaucoup plu.", "other"),
    "German": (
        "Gestern Abend waren wir zu viert im Kino, und der Film hat uns allen gefallen.",
        "other",
    ),
    "Spanish": ("Anoche fuimos al cine con unos amigos y la película nos gustó mucho.", "other"),
    "no letters": ("12:34 -- 56 % (789)\n\n***", "und"),
    "empty": ("", "und"),
}


def told(*texts: str) -> list[str]:
    codes, _ = identify(*text_bytes(large_strings(texts)))
    return [LANGUAGES[code] for code in codes]


def test_short_strings_never_seen_are_told_right_in_97_of_100():
    rows = [json.loads(line) for line in STRINGS.read_text(encoding="utf-8").splitlines()]
    by_language = defaultdict(list)
    for row in rows:
        by_language[row["language"]].append(row["text"])
    right = {
        language: told(*texts).count(language) / len(texts)
        for language, texts in by_language.items()
    }
    assert set(right) == {"en", "zh", "code"}
    assert {language: share for language, share in right.items() if share < 0.97} == {}


@pytest.mark.parametrize("page", PAGES)
def test_genres_that_weights_of_few_genres_take_for_others(page):
    assert told(PAGES[page]) == [page.partition("-")[0]]


@pytest.mark.parametrize("name", SENTENCES)
def test_scripts_and_other_languages(name):
    text, language = SENTENCES[name]
    assert told(text) == [language]


@pytest.mark.parametrize("width", [15, 20, 30, 72])
@pytest.mark.parametrize("between", ["\n", "\n\n", "\n\t", "\n       "])
def test_line_breaks_make_no_program_of_a_page(width, between):
    page = between.join(textwrap.wrap(PROSE, width))
    assert told(page, "Chapter 1\n\n" + page * 5) == ["en", "en"]


def test_a_licence_at_the_top_makes_no_prose_of_a_program():
    notice = textwrap.indent("\n".join(textwrap.wrap(PROSE, 70)), " * ")
    assert told("/*\n" + notice + "\n */\n" + PAGES["code-c"] * 8) == ["code"]


def test_whole_documents_of_the_sample_are_of_their_domain():
    right = defaultdict(list)
    for side in ("dev", "test"):
        with sample_file(side).open("rb") as raw:
            stream = zstandard.ZstdDecompressor().stream_reader(raw)
            rows = [json.loads(line) for line in io.BufferedReader(stream)]
        rows = [row for row in rows if row["domain"] != "maths"]
        for row, language in zip(rows, told(*(row["text"] for row in rows)), strict=True):
            right[row["domain"]].append(language == row["domain"])
    shares = {domain: np.mean(values) for domain, values in right.items()}
    assert shares == dict.fromkeys(("en", "zh", "code"), pytest.approx(1, abs=0.03))


def test_confidence_is_a_probability_and_low_where_two_languages_mix():
    sure, torn = identify(*text_bytes(large_strings([PROSE, PAGES["code-c"] + PROSE, ""])))[1][
        [0, 1]
    ]
    assert 0.95 < sure <= 1
    assert 0.2 <= torn < sure


@given(st.lists(st.text(max_size=40), max_size=5), st.sampled_from(list(PAGES)))
@settings(max_examples=50, deadline=None)
def test_a_text_is_told_the_same_alone_and_among_others(texts, page):
    texts = [*texts, PAGES[page] * 3]
    together = identify(*text_bytes(large_strings(texts)))
    for place, text in enumerate(texts):
        alone = identify(*text_bytes(large_strings([text])))
        assert (together[0][place], together[1][place]) == (alone[0][0], alone[1][0])


def test_no_texts_have_no_languages():
    data, offsets = text_bytes(large_strings([]))
    assert [len(found) for found in identify(data, offsets)] == [0, 0]
    assert len(traditional_share(data, offsets)) == 0


def test_traditional_and_simplified_are_told_by_characters_that_only_one_writes():
    texts = [
        "这个软件运行时需要读取设置",
        "這個軟體執行時需要讀取設定",
        "山高月小，水落石出。",
        PROSE,
    ]
    share = traditional_share(*text_bytes(large_strings([*texts, texts[0] + texts[1]])))
    assert share[:2].tolist() == [0, 1]
    assert np.isnan(share[2:4]).all()
    # Of the first, 这个软运时读设 count but for what both sets hold; of the second their likes.
    assert 0.4 < share[4] < 0.6


def test_settings_name_every_language():
    assert set(Language.__args__) == set(LANGUAGES)
