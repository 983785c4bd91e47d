"""Ask lm-eval the same questions, and compare its accuracies with farthing's to the last digit.

    python check_lm_eval.py MEMBER_DIR TASK_DIR EXPECTED_JSON [--member LABEL] [--batch-size 16]

MEMBER_DIR holds an extracted member, TASK_DIR what `farthing evaluate --lm-eval-tasks` wrote,
EXPECTED_JSON is the `benchmarks.json` of the same questions. Needs the `eval` extra, not farthing,
and no network. Exits with 1 where a figure differs by more than 1e-12.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

# Before lm-eval is imported: nothing may be fetched.
for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"):
    os.environ[name] = "1"

TOLERANCE = 1e-12
FIGURES = (
    ("acc", "acc,none"),
    ("acc_stderr", "acc_stderr,none"),
    ("acc_norm", "acc_norm,none"),
    ("acc_norm_stderr", "acc_norm_stderr,none"),
)


def main() -> int:
    """Compare every benchmark that both know; the number of differences decides the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("member", type=Path)
    parser.add_argument("tasks", type=Path)
    parser.add_argument("expected", type=Path)
    parser.add_argument("--member", dest="label", help="which member of EXPECTED_JSON")
    parser.add_argument("--batch-size", type=int, default=16)
    arguments = parser.parse_args()
    expected = scores_of(arguments.expected, arguments.label)
    found = ask_lm_eval(arguments.member, arguments.tasks, list(expected), arguments.batch_size)
    differing = sum(compare(name, expected[name], found[f"farthing_{name}"]) for name in expected)
    sys.stdout.write(f"{differing} of {len(expected)} benchmarks differ\n")
    return 1 if differing or not expected else 0


def scores_of(path: Path, label: str | None) -> dict[str, dict]:
    """Our scores of one member, by benchmark."""
    members = json.loads(path.read_bytes())["members"]
    chosen = [member for member in members if label in (None, member["label"], member["shape"])]
    if len(chosen) != 1:
        labels = ", ".join(member["label"] for member in members)
        raise SystemExit(f"{path} holds {labels}: choose one with --member")
    return chosen[0]["scores"]


def ask_lm_eval(member: Path, tasks: Path, names: list[str], batch_size: int) -> dict[str, dict]:
    """lm-eval's results, by task."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    results = simple_evaluate(
        model=HFLM(pretrained=str(member), dtype="float32", device="cpu", batch_size=batch_size),
        tasks=[f"farthing_{name}" for name in names],
        task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
        # Not 0, which switches standard errors off; means have theirs in closed form.
        bootstrap_iters=1,
    )
    return results["results"]


def compare(name: str, ours: dict, theirs: dict) -> bool:
    """Print one line a figure; whether any differs."""
    differs = False
    for key, their_key in FIGURES:
        if ours[key] is None:
            continue
        same = abs(ours[key] - theirs[their_key]) <= TOLERANCE
        differs |= not same
        sys.stdout.write(
            f"{name:<20}{key:<17}{ours[key]:.12f}  {theirs[their_key]:.12f}  "
            f"{'same' if same else 'DIFFERENT'}\n"
        )
    return differs


if __name__ == "__main__":
    raise SystemExit(main())
