# ruff: noqa: RUF001 - Chinese punctuation is meant
"""The shipped weights: small, of this code's classes, rounded as said, made again bit for bit."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import zstandard

from farthing.documents.language import weights as module
from farthing.documents.language.weights import (
    BITS,
    CLASSES,
    FILE,
    round_weights,
    shipped_weights,
    write_weights,
)
from farthing.errors import ArtifactError

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "scripts" / "build_language_model.py"
TEXTS = {
    "en_page": "The quick brown fox jumps over the lazy dog and runs on to the river.\n",
    "zh_page": "快速的棕色狐狸跳过懒狗，然后跑到河边去喝水。\n",
    "code_page": "def jump(fox, dog):\n    return fox.over(dog) if dog.lazy else None\n",
    "math_latex": "\\begin{proof}\nLet $x \\in X$ be such that $f(x) = 0$.\n\\end{proof}\n",
    "multilingual": "Der schnelle braune Fuchs springt weit hinaus, und dann ist er fort.\n",
}


def test_the_file_is_small_and_holds_whole_steps():
    path = Path(module.__file__).with_name(FILE)
    assert path.stat().st_size < 700_000
    shipped = shipped_weights()
    assert shipped.steps.shape == (1 << BITS, len(CLASSES))
    assert shipped.steps.dtype == np.int8
    assert not shipped.steps.flags.writeable


def test_rounding_is_within_half_a_step_but_for_the_largest_thousandth():
    weights = np.random.default_rng(0).normal(size=(1 << BITS, len(CLASSES))).astype(np.float32)
    rounded = round_weights(weights)
    error = np.abs(rounded.steps * rounded.size - weights) / rounded.size
    assert 0.99 < np.mean(error <= 0.5 + 1e-4) < 1


def test_writing_twice_gives_the_same_bytes(tmp_path):
    rounded = round_weights(np.eye(1 << BITS, len(CLASSES), dtype=np.float32))
    for name in ("one", "two"):
        write_weights(rounded, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("damage", ["missing", "cut", "other classes"])
def test_weights_that_do_not_fit_are_an_error_with_a_remedy(damage, tmp_path, monkeypatch):
    shipped = Path(module.__file__).with_name(FILE).read_bytes()
    if damage == "cut":
        (tmp_path / FILE).write_bytes(shipped[:1000])
    elif damage == "other classes":
        few = np.zeros((2, 1), np.int8)
        np.savez(tmp_path / FILE, steps=few, size=np.float64(1), classes=np.array(["en", "fr"]))
    monkeypatch.setattr(module, "__file__", str(tmp_path / "weights.py"))
    with pytest.raises(ArtifactError, match="remedy"):
        shipped_weights.__wrapped__()


def test_the_script_makes_the_same_weights_twice(tmp_path, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("build_language_model", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name, text in TEXTS.items():
        rows = [{"id": f"{name}/{n}", "text": text * 8, "lang": "x"} for n in range(90)]
        lines = "\n".join(json.dumps(row) for row in rows).encode()
        (corpus / f"{name}.jsonl.zst").write_bytes(zstandard.compress(lines))
    monkeypatch.setattr(script, "SNIPPETS_OF_CLASS", dict.fromkeys(CLASSES, 60))
    made = []
    for out in ("one", "two"):
        (tmp_path / out).mkdir()
        arguments = ["x", "--corpus", str(corpus), "--out", str(tmp_path / out)]
        monkeypatch.setattr("sys.argv", arguments)
        script.main()
        made.append((tmp_path / out / FILE).read_bytes())
    assert made[0] == made[1]
    scored = [line for line in capsys.readouterr().out.splitlines() if "documents" in line]
    assert len(scored) == 2 * len(TEXTS)
    assert all("documents 1.0000" in line for line in scored)
