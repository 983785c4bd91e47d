"""The whole story of a claim: made by one party, verified by another, forged by a third.

    python scripts/claim_story.py claims/four-members/claim.yaml --to build/four-members
        --fresh MINE.txt [--rerun]

Nothing is shared but the two files that are handed over: each party has a key, a workspace and a
cache of its own. Written to --to: the claim, the answer, both verdicts, and story.json with what
every command took, which scripts/refresh_claims.py makes a page of. Steps that left their output
are not made again. Exits with 1 unless the claim holds and the forged one does not.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farthing.artifacts.claims.archive import open_bundle
from farthing.artifacts.claims.dsse import open_statement
from farthing.artifacts.claims.statement import ANSWER_TYPE
from farthing.hardware.machine import detect_machine
from farthing.stages.verify.claim.opening import open_claim
from farthing.studies.claim.config import read_claim_settings

ROOT = Path(__file__).resolve().parent.parent
Json = dict[str, Any]


@dataclass(frozen=True)
class Story:
    """Who does what, and where it is kept.

    Attributes:
        folder: of all parties and files.
        name: of the claim.
    """

    folder: Path
    name: str

    def run(self, party: str, what: str, *words: str, may_fail: bool = False) -> str:
        """Run a command as a party, note what it took, and return what it printed.

        Args:
            party: `claimant`, `verifier` or `forger`.
            what: names the step.
            words: of farthing, or of a script of this folder.
            may_fail: whether exit code 1 is an outcome.
        """
        kept = self.folder / "steps" / f"{what}.json"
        printed = kept.with_suffix(".txt")
        if kept.exists():
            return printed.read_text(encoding="utf-8")
        kept.parent.mkdir(parents=True, exist_ok=True)
        binaries = Path(sys.executable).parent
        script = [sys.executable, str(ROOT / "scripts" / words[0])]
        command = script if words[0].endswith(".py") else [str(binaries / words[0])]
        home = self.folder / party
        own = {"FARTHING_HOME": str(home / "key"), "FARTHING_CACHE": str(home / "cache")}
        begin = time.monotonic()
        with printed.open("wb") as file:
            process = subprocess.Popen(
                [*command, *words[1:]], stdout=file, cwd=ROOT, env={**os.environ, **own}
            )
            _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in ((0, 1) if may_fail else (0,)):
            sys.exit(process.returncode or 1)
        record = {
            "party": party,
            "what": what,
            "command": self._shown(words),
            "wall_seconds": round(time.monotonic() - begin, 1),
            "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
            "peak_mib": round(used.ru_maxrss / 1024),
            "exit": process.returncode,
        }
        kept.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        return printed.read_text(encoding="utf-8")

    def _shown(self, words: Sequence[str]) -> str:
        """The command without this machine's folders."""
        found = ["python", f"scripts/{words[0]}"] if words[0].endswith(".py") else [words[0]]
        for word in words[1:]:
            path = Path(word)
            bases = [base for base in (self.folder, ROOT) if path.is_relative_to(base)]
            if path.is_absolute():
                word = path.relative_to(bases[0]).as_posix() if bases else path.name
            found.append(word)
        return " ".join(found)

    def nonce(self, what: str) -> str:
        """A number that the verifier draws once."""
        path = self.folder / "verifier" / f"{what}.nonce"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(secrets.token_hex(32), encoding="utf-8")
        return path.read_text(encoding="utf-8")

    def file(self, kind: str, folder: str = "") -> Path:
        """A claim or an answer."""
        return self.folder / folder / f"{self.name}.{kind}"


def main() -> int:
    """All steps, in their order."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("settings", type=Path, help="CLAIM.yaml")
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--fresh", type=Path, action="append", default=[])
    parser.add_argument("--rerun", action="store_true", help="level 4 too")
    asked = parser.parse_args()
    story = Story(asked.to.resolve(), read_claim_settings(asked.settings).name)
    make(story, asked.settings.resolve())
    verdict = verify(story, [path.resolve() for path in asked.fresh], rerun=asked.rerun)
    forged = forge(story)
    texts = [f"{path.name}, {path.stat().st_size:,} bytes" for path in asked.fresh]
    write(story, {"fresh": texts, "verdict": verdict, "forged": forged})
    return int(not verdict["ok"] or bool(forged["verdict"]["ok"]))


def make(story: Story, settings: Path) -> None:
    """From draft to claim."""
    place = ["--workspace", str(story.folder / "claimant/workspace")]
    story.run("claimant", "draft", "farthing", "claim", "draft", str(settings), *place)
    nonce = story.nonce("draft")
    story.run("claimant", "nonce", "farthing", "claim", "nonce", story.name, nonce, *place)
    story.run("claimant", "run", "farthing", "claim", "run", story.name, *place)
    to = ["--to", str(story.file("claim"))]
    story.run("claimant", "make", "farthing", "claim", "make", story.name, *to, *place)


def verify(story: Story, fresh: Sequence[Path], *, rerun: bool) -> Json:
    """Arithmetic first, then with the claimant's answer."""
    claim, answer = str(story.file("claim")), str(story.file("answer"))
    story.run("verifier", "verify levels 0 and 1", "farthing", "verify", claim, "--json")
    nonce = story.nonce("answer")
    place = ["--workspace", str(story.folder / "claimant/workspace")]
    words = ["farthing", "claim", "answer", claim, nonce, "--to", answer, *place]
    story.run("claimant", "answer", *words)
    given = ["--answer", answer, "--nonce", nonce, "--json"]
    given += [word for path in fresh for word in ("--fresh", str(path))]
    given += ["--rerun"] if rerun else []
    what = f"verify levels 0 to {4 if rerun else 3}"
    found = story.run("verifier", what, "farthing", "verify", claim, *given, may_fail=True)
    return dict(json.loads(found))


def forge(story: Story) -> Json:
    """One checkpoint in a copy of everything that the claimant has, and what verifying says."""
    run, first, last = bend(story)
    forger = story.folder / "forger"
    workspace = forger / "workspace"
    if not workspace.exists():
        copy_workspace(story.folder / "claimant/workspace", workspace)
        shutil.copytree(story.folder / "claimant/key", forger / "key")
    nonce = story.nonce("forged answer")
    words = ["claim_forge.py", story.name, "--workspace", str(workspace), "--run", str(run)]
    words += ["--step", str(last + 1), "--nonce", nonce, "--to", str(story.folder / "forged")]
    story.run("forger", "forge", *words)
    claim, answer = str(story.file("claim", "forged")), str(story.file("answer", "forged"))
    given = ["farthing", "verify", claim, "--answer", answer, "--nonce", nonce, "--json"]
    found = story.run("verifier", "verify the forged claim", *given, may_fail=True)
    return {"run": run, "first_step": first, "last_step": last, "verdict": json.loads(found)}


def bend(story: Story) -> tuple[int, int, int]:
    """Run, first and last step of a released segment of the method where the rate bends."""
    with open_claim(story.file("claim")) as opened:
        key, claim = opened.public_key, opened.claim
    with open_bundle(story.file("answer"), statement_name="answer.json") as bundle:
        signed = open_statement(
            bundle.statement_bytes, predicate_type=ANSWER_TYPE, public_key=key
        ).statement.predicate
    runs = {run for each in claim.runs if each.arm == "method" for run in each.runs}
    bends = [each for each in signed["segments"] if each["run"] in runs and "bend" in each["why"]]
    return bends[-1]["run"], bends[-1]["first_step"], bends[-1]["last_step"]


def copy_workspace(source: Path, target: Path) -> None:
    """Models, checkpoints and text by hard links, which nothing writes into; the rest copied."""
    linked = ("runs", "corpora")

    def copy(own: str, to: str) -> None:
        room = Path(own).relative_to(source).parts[0]
        (os.link if room in linked else shutil.copy2)(own, to)

    shutil.copytree(source, target, copy_function=copy)


def write(story: Story, found: Json) -> None:
    """All of it in one file."""
    steps = sorted((story.folder / "steps").glob("*.json"), key=lambda path: path.stat().st_mtime)
    machine = detect_machine()
    told = {
        "claim": f"claims/{story.name}/{story.name}.claim",
        "answer_bytes": story.file("answer").stat().st_size,
        "machine": f"{machine.processor.name}, {machine.processor.threads} hardware threads",
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "python": platform.python_version(),
        "commands": [json.loads(path.read_text(encoding="utf-8")) for path in steps],
        "notes": [],
        **found,
    }
    (story.folder / "story.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
