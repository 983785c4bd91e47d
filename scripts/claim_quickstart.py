"""Make the small claim of `claims/quickstart` under one key, and verify it under another.

    make claim                              # levels 0 to 3, four minutes on one core
    python scripts/claim_quickstart.py --to build/claim [--level 1]

Claimant and verifier share nothing but the two files. What stands in the folder afterwards:
quickstart.claim, quickstart.answer, and the verdict that the verifier signed. Exits with the
verifier's code: 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = "quickstart"


def main() -> int:
    """Both sides, one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "claim")
    parser.add_argument("--level", type=int, default=3, help="how far the verifier goes")
    asked = parser.parse_args()
    shutil.rmtree(asked.to, ignore_errors=True)
    asked.to.mkdir(parents=True)
    claim, answer = asked.to / f"{NAME}.claim", asked.to / f"{NAME}.answer"
    claimant = _Party(asked.to / "claimant")
    workspace = ["--workspace", str(claimant.home / "workspace")]
    definition = str(ROOT / "claims" / NAME / "claim.yaml")
    claimant.must("claim", "draft", definition, *workspace)
    claimant.must("claim", "nonce", NAME, secrets.token_hex(32), *workspace)
    claimant.must("claim", "run", NAME, *workspace)
    claimant.must("claim", "make", NAME, "--to", str(claim), *workspace)
    verifier = _Party(asked.to / "verifier")
    if asked.level < 2:
        return verifier.run("verify", str(claim))
    nonce = secrets.token_hex(32)
    claimant.must("claim", "answer", str(claim), nonce, "--to", str(answer), *workspace)
    verdict = ["--level", str(asked.level), "--to", str(asked.to / "verdict.json")]
    return verifier.run("verify", str(claim), "--answer", str(answer), "--nonce", nonce, *verdict)


class _Party:
    """Someone with a key of his own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._environment = {**os.environ, "FARTHING_HOME": str(home / "key")}

    def run(self, *words: str) -> int:
        """What a command of farthing returned."""
        print(f"\n$ farthing {' '.join(words)}", flush=True)
        command = [str(Path(sys.executable).with_name("farthing")), *words]
        return subprocess.run(command, check=False, env=self._environment).returncode

    def must(self, *words: str) -> None:
        """Run a command that has to succeed."""
        if code := self.run(*words):
            sys.exit(code)


if __name__ == "__main__":
    sys.exit(main())
