"""Put finished studies of head starts into docs/results/headstart.md.

    make results-headstart

Takes the newest study of each recipe from a workspace, keeps its cells beside the page (a bare
machine then goes on from them: `farthing headstart --known`), and writes the page from all that
are kept there.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from farthing.studies.headstart.run import CELLS, PAGE, read_headstart

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "docs" / "results" / "headstart"


def main() -> None:
    """Keep what a workspace has finished, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, default=ROOT / "build" / "elastic")
    workspace: Path = parser.parse_args().workspace
    for place in sorted(
        (path.parent for path in (workspace / "studies").glob(f"*/{PAGE}")),
        key=lambda path: (path / CELLS).stat().st_mtime,
    ):
        keep(place)
    kept = sorted(path.parent for path in KEPT.glob(f"*/{CELLS}"))
    page = ROOT / "docs" / "results" / "headstart.md"
    page.write_text(headstart_page(kept), encoding="utf-8")
    print(f"written: {page.relative_to(ROOT)} with {', '.join(place.name for place in kept)}")


def keep(place: Path) -> None:
    """Copy a study beside the page, under the name of its recipe, instead of an earlier one."""
    target = KEPT / read_headstart(place).config.name
    target.mkdir(parents=True, exist_ok=True)
    for picture in target.glob("*.svg"):
        picture.unlink()
    for path in (place / CELLS, place / PAGE, *place.glob("*.svg")):
        shutil.copy(path, target / path.name)


def headstart_page(kept: list[Path]) -> str:
    """All studies, one below the other."""
    parts = [
        "# What a trained model is worth as a beginning\n",
        "Written by `scripts/refresh_headstart.py` (`make results-headstart`) from the cells in "
        "the folder `headstart` beside this page, each made of booked runs. "
        "[How to read it](../elastic.md#what-a-beginning-is-worth).\n",
    ]
    for place in kept:
        text = (place / PAGE).read_text(encoding="utf-8")
        # One level down, and from where this page stands.
        lines = [f"#{line}" if line.startswith("#") else line for line in text.splitlines()]
        body = "\n".join(lines)
        for picture in place.glob("*.svg"):
            there = f"(headstart/{place.name}/{picture.name})"
            body = body.replace(f"({picture.name})", there)
        parts.append(f"{body}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    main()
