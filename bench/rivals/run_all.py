"""Every benchmark of this folder, one after the other; what cannot run here says how it could.

    python bench/rivals/run_all.py [--results FOLDER] [--nanogpt PATH] [--text FILE] [--only NAME]

Each writes FOLDER/NAME.json, which `scripts/refresh_speed.py` reads. Exits 1 if one failed; one
that is skipped is no failure.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import nanogpt
import text
from measure import SKIPPED

HERE = Path(__file__).resolve().parent
BENCHES = ("step_sparse", "step_dense", "experts", "shakespeare")


def main() -> int:
    """Run what can run; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=Path("build/speed"))
    parser.add_argument("--only", choices=BENCHES, nargs="+", default=list(BENCHES))
    nanogpt.add_option(parser)
    text.add_option(parser)
    asked = parser.parse_args()
    # The benchmarks read these, so that the commands which they note name no folder of this user.
    environment = dict(os.environ)
    for name, path in (("NANOGPT", asked.nanogpt), ("TINYSHAKESPEARE", asked.text)):
        if path is not None:
            environment[name] = str(path.resolve())
    codes = {}
    for name in asked.only:
        result = asked.results.resolve() / f"{name}.json"
        command = [sys.executable, str(HERE / f"{name}.py"), "--json", str(result)]
        print(f"\n== {name}", flush=True)
        codes[name] = subprocess.run(command, env=environment, check=False).returncode
    print()
    words = {0: "measured", SKIPPED: "skipped (how to run it stands above)"}
    for name, code in codes.items():
        print(f"{name:<12} {words.get(code, f'FAILED with {code}')}")
    return int(any(code not in words for code in codes.values()))


if __name__ == "__main__":
    sys.exit(main())
