"""A family leaves home: members chosen, cut out and scored from the command line."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
import yaml

W = ("--workspace", "w")


# Each test has the family to itself.
pytestmark = pytest.mark.usefixtures("trained")


def models(tmp_path: Path) -> list[str]:
    folder = tmp_path / "w/models"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_family_without_scores_has_no_best_member_and_says_what_to_run(farthing, tmp_path: Path):
    refused = farthing("extract", *W, "--max-total", "1M", check=2)
    assert "no member" in refused.stderr
    assert "farthing evaluate" in refused.stderr
    assert models(tmp_path) == []


def test_the_best_member_of_a_size_is_chosen_from_the_scores(farthing):
    scores = json.loads(farthing("evaluate", *W, "--json").stdout)["members"]
    sizes = sorted(member["total"] for member in scores)
    allowed = [member for member in scores if member["total"] < sizes[-1]]
    best = min(allowed, key=lambda member: member["mean_bpb"])
    done = farthing("extract", *W, "--max-total", str(sizes[-1] - 1), "--json")
    assert json.loads(done.stdout)["shape"] == best["shape"]
    small = min(member["active"] for member in scores)
    done = farthing("extract", *W, "--max-active", str(small), "--max-total", "1M", "--json")
    chosen = json.loads(done.stdout)["shape"]
    assert next(m for m in scores if m["shape"] == chosen)["active"] == small
    # What cannot leave is neither chosen nor held out as small enough.
    farthing("evaluate", *W, "--shape", "3L-1E-1K")
    refused = farthing("extract", *W, "--max-total", "1K", check=2)
    assert f"{sizes[0]:,} parameters" in refused.stderr


def test_a_card_is_written_anew_once_there_are_scores(farthing, tmp_path: Path):
    before = Path(farthing("extract", *W, "--shape", "3L-4E-1K").stdout.strip())
    assert Path(farthing("extract", *W, "--shape", "3L-4E-1K").stdout.strip()) == before
    assert "not measured" in (tmp_path / before / "README.md").read_text("utf-8")
    scores = json.loads(farthing("evaluate", *W, "--json").stdout)["members"]
    farthing("evaluate", *W, "--benchmarks", "sample", "--shape", "3L-4E-1K", "--limit", "4")
    after = Path(farthing("extract", *W, "--shape", "3L-4E-1K").stdout.strip())
    assert after != before
    card = (tmp_path / after / "README.md").read_text("utf-8")
    header = yaml.safe_load(card.split("---\n")[1])
    values = {
        result["dataset"].get("config") or result["dataset"]["type"]: result["metrics"][0]["value"]
        for result in header["model-index"][0]["results"]
    }
    label = next(member for member in scores if member["label"] == "3L-4E-1K")
    assert values.items() >= label["bpb"].items()
    assert len(values) > len(label["bpb"])
    assert "written for this test" in card
    farthing("verify", *W)
    # The extracted model runs in farthing as it does elsewhere.
    inside = farthing("generate", "river", *W, "--shape", "3L-4E-1K", "--temperature", "0")
    alone = farthing("generate", "river", "--model", str(after), "--temperature", "0")
    assert alone.stdout == inside.stdout


def test_a_damaged_member_is_never_handed_out_again(farthing, tmp_path: Path):
    words = ("extract", *W, "--shape", "3L-4E-1K")
    weights = tmp_path / farthing(*words).stdout.strip() / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-3] ^= 1
    weights.write_bytes(bytes(data))
    refused = farthing(*words, check=1)
    assert "model.safetensors is corrupted" in refused.stderr
    assert refused.stdout == ""


def test_gguf_files_are_artifacts_of_their_own(farthing, tmp_path: Path):
    words = ("extract", *W, "--shape", "3L-4E-1K", "--gguf")
    (file,) = json.loads(farthing(*words, "F16", "--json").stdout)["gguf"]
    assert (tmp_path / file).read_bytes()[:4] == b"GGUF"
    # A new price makes a new card; the model, and so its file, stays.
    (tmp_path / "w/farthing.yaml").write_text("grid: DEU\n")
    again = farthing(*words, "f16")
    assert again.stderr.count("reuse") == 1
    member, same = again.stdout.split()
    assert same == file
    assert "co2_eq_emissions" in (tmp_path / member / "README.md").read_text("utf-8")
    assert "choose one of" in farthing(*words, "Q3_K", check=2).stderr
    farthing("verify", *W)


def test_without_the_gguf_package_the_install_line_is_named_and_nothing_is_cut(
    fresh_farthing, tmp_path: Path, environment
):
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'gguf' else find(name, *rest)\n"
    )
    environment["PYTHONPATH"] = str(hidden)
    refused = fresh_farthing("extract", *W, "--shape", "3L-4E-1K", "--gguf", "F16", check=2)
    assert 'pip install "farthing[gguf]"' in refused.stderr
    assert models(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--shape"),
        (("--shape", "3L-4E-1K", "--max-total", "1M"), "--shape"),
        (("--max-total", "many"), "1.2M"),
        (("--max-total", "-5"), "is no count"),
        (("--max-active", "1.5"), "is no count"),
        (("--shape", "3L-1E-1K"), "a router needs two"),
        (("--shape", "layers=0-3/experts=4/top_k=2,1,1"), "one top-k"),
    ],
)
def test_what_cannot_be_extracted_leaves_nothing_behind(farthing, tmp_path: Path, words, message):
    before = (tmp_path / "w/book.jsonl").read_bytes()
    assert message in farthing("extract", *W, *words, check=2).stderr
    assert models(tmp_path) == []
    assert (tmp_path / "w/book.jsonl").read_bytes() == before


def test_a_file_in_the_place_of_the_models_is_named(farthing, tmp_path: Path):
    (tmp_path / "w/models").write_text("mine")
    refused = farthing("extract", *W, "--shape", "3L-4E-1K", check=3)
    assert "a file stands where a folder is needed" in refused.stderr
    assert (tmp_path / "w/models").read_text() == "mine"


def test_benchmarks_with_wrong_fields_are_placed_by_file_and_line(farthing, tmp_path: Path):
    folder = tmp_path / "questions"
    folder.mkdir()
    good = {"sentence_good": "a river", "sentence_bad": "river a", "UID": "order"}
    lines = [json.dumps(good), json.dumps({"good": "a", "bad": "b"})]
    with gzip.open(folder / "blimp.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(lines))
    before = (tmp_path / "w/book.jsonl").read_bytes()
    refused = farthing("evaluate", *W, "--benchmarks", str(folder), check=2)
    assert "blimp.jsonl.gz" in refused.stderr
    assert "line 2" in refused.stderr
    assert "sentence_good" in refused.stderr
    assert not (tmp_path / "w/benchmarks").exists()
    assert (tmp_path / "w/book.jsonl").read_bytes() == before


def test_the_same_questions_leave_as_task_files(farthing, tmp_path: Path):
    words = ("evaluate", *W, "--benchmarks", "sample", "--limit", "5", "--lm-eval-tasks", "tasks")
    done = json.loads(farthing(*words, "--json").stdout)
    assert len(done["tasks"]) == 2
    for name in done["tasks"]:
        rows = (tmp_path / f"tasks/{name}.jsonl").read_text("utf-8").splitlines()
        assert len(rows) == 5
    assert "exists already" in farthing(*words, check=2).stderr


def test_a_report_needs_scores_and_never_replaces_what_it_did_not_write(farthing, tmp_path: Path):
    refused = farthing("report", *W, check=2)
    assert "farthing evaluate" in refused.stderr
    assert not (tmp_path / "w/report.html").exists()
    farthing("evaluate", *W)
    farthing("report", *W)
    page = (tmp_path / "w/report.html").read_text("utf-8")
    assert "<!doctype html>" in page[:200].lower()
    farthing("report", *W)
    (tmp_path / "mine.html").write_text("mine")
    farthing("report", *W, "--out", "mine.html", check=2)
    assert (tmp_path / "mine.html").read_text() == "mine"
    before = os.listdir(tmp_path / "w")
    done = json.loads(farthing("report", *W, "--json").stdout)
    assert Path(done["report"]).name == "report.html"
    assert os.listdir(tmp_path / "w") == before
