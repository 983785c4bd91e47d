"""The page that shows the races of curation: merged, with verdicts, one value without a spread."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = [str(ROOT / name) for name in ("scripts", "bench/curation", "bench/rivals")]


@pytest.fixture(scope="module")
def script():
    """scripts/refresh_curation.py."""
    before = list(sys.path)
    sys.path[:0] = FOLDERS
    yield importlib.import_module("refresh_curation")
    sys.path[:] = before


def _figure(*values):
    mean = sum(values) / len(values)
    spread = 0.5 if len(values) > 1 else 0.0
    return {"mean": mean, "spread": spread, "values": list(values)}


def _race(name, code):
    return {
        "bench": name,
        "title": f"About {name}",
        "setting": ["the documents"],
        "command": f"python bench/curation/{name}.py",
        "seeds": [0, 1],
        "machine": {"processor": "a chip", "instructions": "AVX", "hardware_threads": 8},
        "versions": {"farthing": code},
        "load_average": "0.10 0.20 0.30",
        "seconds": 1.0,
        "tables": [
            {
                "title": "Rates",
                "columns": ["program", "MB/CPU-s", "share"],
                "rows": [["farthing", _figure(20.0, 21.0), _figure(0.995)], ["other", "1", ""]],
            }
        ],
        "targets": [
            {
                "what": "fast",
                "relation": ">=",
                "wanted": 50.0,
                "measured": _figure(40.0, 42.0),
                "met": False,
            }
        ],
        "notes": ["a caution"],
    }


def test_the_page_has_targets_first_and_says_which_races_were_not_run(script):
    text = script.page({"race_near": _race("race_near", "one")})
    rows = text.split("## Targets\n", 1)[1].split("\n##", 1)[0].split("\n")
    assert "| fast | >= 50 | 41.00 ± 0.50 | **not met** |" in rows
    assert "| `race_tokens` |  | not measured yet |  |" in rows
    assert not any("race_near" in row for row in rows)


def test_a_section_says_how_it_was_measured_and_shows_one_value_without_a_spread(script):
    section = script.section(_race("race_near", "one"))
    assert "`python bench/curation/race_near.py`, 2 rounds\n" in section
    assert "a chip (AVX, 8 hardware threads; load average before: 0.10 0.20 0.30)" in section
    assert "- the documents\n- a caution\n" in section
    assert "| farthing | 20.50 ± 0.50 | 0.9950 |\n| other | 1 |  |\n" in section


def test_a_new_measurement_replaces_its_like_and_the_others_stay(script, monkeypatch, tmp_path):
    page = tmp_path / "docs" / "curation.md"
    monkeypatch.setattr(script, "ROOT", tmp_path)
    monkeypatch.setattr(script, "PAGE", page)
    monkeypatch.setattr(sys, "argv", ["refresh_curation.py", "--results", str(tmp_path)])
    for code, names in {"old": ("race_near", "race_tokens"), "new": ("race_tokens",)}.items():
        for path in tmp_path.glob("*.json"):
            path.unlink()
        for name in names:
            (tmp_path / f"{name}.json").write_text(json.dumps(_race(name, code)))
        script.main()
    text = page.read_text(encoding="utf-8")
    assert "farthing old" in text.split("## About race_near", 1)[1].split("\n## ")[0]
    assert "farthing new" in text.split("## About race_tokens", 1)[1]
    assert text.count("farthing old") == 1
