"""Every race of this folder, one after the other; what cannot run here says how it could.

    python bench/curation/run_races.py [--text FOLDER] [--published FOLDER] [--results FOLDER]
        [--only NAME ...]

Each writes FOLDER/NAME.json. Without --text the races run on the sample that farthing carries, and
the whole pipeline, which needs raw text, is left out. --published names a folder of evaluation sets
for the race of languages. Exits 1 if one failed; one that is skipped is no failure.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from races import measure

HERE = Path(__file__).resolve().parent
RACES = (
    "race_filters",
    "race_kernels",
    "keep_rates",
    "race_duplicates",
    "race_near",
    "race_languages",
    "race_tokens",
)
# By the name of the result: script and what it is asked for. They need raw text.
PIPELINES = {
    "whole_pipeline": ("whole_pipeline", "--rounds", "3"),
    "whole_pipeline_repeated": ("whole_pipeline", "--repeat", "10"),
}


def main() -> int:
    """Run what can run; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--text", nargs="+", type=Path)
    parser.add_argument("--published", type=Path, help="folder of evaluation sets")
    parser.add_argument("--results", type=Path, default=Path("build/curation"))
    parser.add_argument("--only", choices=(*RACES, *PIPELINES), nargs="+")
    asked = parser.parse_args()
    chosen = asked.only or [*RACES, *(PIPELINES if asked.text else [])]
    text = ["--text", *map(str, asked.text)] if asked.text else []
    codes = {}
    for name in chosen:
        result = asked.results.resolve() / f"{name}.json"
        more = ["--published", str(asked.published)] if asked.published else []
        script, *options = PIPELINES.get(name, (name,))
        command = [sys.executable, str(HERE / f"{script}.py"), *text, "--json", str(result)]
        command += [*options, *(more if name == "race_languages" else [])]
        print(f"\n== {name}", flush=True)
        codes[name] = subprocess.run(command, check=False).returncode
    print()
    words = {0: "measured", measure.SKIPPED: "skipped (how to run it stands above)"}
    for name, code in codes.items():
        print(f"{name:<16} {words.get(code, f'FAILED with {code}')}")
    return int(any(code not in words for code in codes.values()))


if __name__ == "__main__":
    sys.exit(main())
