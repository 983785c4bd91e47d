"""Forge one segment of a finished claim as the owner of its key can, to see where verifying fails.

    FARTHING_HOME=KEYS python scripts/claim_forge.py NAME --workspace COPY --run 14 --step 200
        --nonce HEX --to build/forged

A thousandth is added to one matrix of the checkpoint that ends with `--step` steps; book and
journals are signed again around it, and claim and answer are made by a farthing that no longer
replays what it hands out. COPY is changed: give a copy of the claimant's workspace, and a folder of
keys that is a copy too.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parent.parent
# The forger of the attacks, and what it stands on.
sys.path[:0] = [str(ROOT / "tests" / place) for place in ("", "attacks", "studies/claim")]

from forger import rewrite  # noqa: E402

from farthing.artifacts.entries import RunStart, Segment, read_book  # noqa: E402
from farthing.artifacts.keys import farthing_home  # noqa: E402
from farthing.artifacts.manifest import read_manifest  # noqa: E402
from farthing.artifacts.workspace import Workspace  # noqa: E402
from farthing.cli.output import make_show  # noqa: E402
from farthing.session import open_session  # noqa: E402
from farthing.stages.train.checkpoint import load_checkpoint, write_checkpoint  # noqa: E402
from farthing.studies.claim.answer import answer_claim  # noqa: E402
from farthing.studies.claim.make import make_claim  # noqa: E402

NUDGE = 1e-3


def main() -> None:
    """Forge, sign everything again, and bundle."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="of the claim")
    parser.add_argument("--workspace", type=Path, required=True, help="a copy; it is changed")
    parser.add_argument("--run", type=int, required=True)
    parser.add_argument("--step", type=int, required=True, help="a checkpoint's steps")
    parser.add_argument("--nonce", required=True, help="that the verifier drew, in hexadecimal")
    parser.add_argument("--drawn", type=int, default=29)
    parser.add_argument("--to", type=Path, required=True, help="a folder for claim and answer")
    asked = parser.parse_args()
    asked.to.mkdir(parents=True, exist_ok=True)
    digest = forge_checkpoint(asked.workspace, asked.run, asked.step)

    def edit(kind: str, body: dict[str, Any]) -> dict[str, Any]:
        own = kind == "segment" and body["run"] == asked.run
        if own and body["last_step"] + 1 == asked.step:
            return {**body, "checkpoint_digest": digest}
        return body

    rewrite(asked.workspace, edit)
    # This machine's own record of how far the book reached.
    shutil.rmtree(farthing_home() / "heads", ignore_errors=True)
    claim, answer = asked.to / f"{asked.name}.claim", asked.to / f"{asked.name}.answer"
    show = make_show(as_json=False)
    make_claim(asked.name, open_session(asked.workspace, show), path=claim)
    with patch("farthing.studies.claim.answer.rehearse", lambda *_, **__: None):
        session = open_session(asked.workspace, show)
        answer_claim(claim, asked.nonce, session, to=answer, drawn=asked.drawn)
    print(f"forged    run {asked.run}, the checkpoint after {asked.step} steps: {claim}, {answer}")


def forge_checkpoint(root: Path, run: int, step: int) -> str:
    """Another state in the place of a checkpoint.

    Returns:
        Its digest.
    """
    records = read_book(Workspace(root).book_file).records
    starts = [each.body for each in records if isinstance(each.body, RunStart)]
    (start,) = (each for each in starts if each.run == run)
    ends = [each.body for each in records if isinstance(each.body, Segment)]
    if not any(each.run == run and each.last_step + 1 == step for each in ends):
        sys.exit(f"no segment of run {run} ends with {step} steps")
    place = Workspace(root).place("runs", start.name, start.input_key)
    folder = place / "checkpoints" / f"step-{step:08d}"
    old = read_manifest(folder, kind="checkpoint").content_digest
    loaded = load_checkpoint(folder, input_key=start.input_key)
    tensors = dict(loaded.tensors)
    tensors["model.lm_head.weight"] = tensors["model.lm_head.weight"] + NUDGE
    shutil.rmtree(folder)
    key = start.input_key
    new = write_checkpoint(folder.parent, tensors, loaded.progress, input_key=key).content_digest
    if new == old:
        sys.exit("the checkpoint is the same as before: nothing was forged")
    return new


if __name__ == "__main__":
    main()
