"""Put finished comparisons into docs/results/elastic.md, and the sample's into README.md.

    make results-elastic

Takes the newest comparison of each recipe from a workspace, keeps its cells beside the page (a bare
machine then goes on from them: `farthing compare --known`), and writes the page from all that are
kept there.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from farthing.studies.compare.page import Summary, members_table
from farthing.studies.compare.run import CELLS, PAGE, PICTURE, read_comparison

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "docs" / "results" / "elastic"
IN_README = "compare-sample"
BEGIN = "<!-- comparison: written by scripts/refresh_elastic.py -->"
END = "<!-- end of comparison -->"


def main() -> None:
    """Keep what a workspace has finished, then write both pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, default=ROOT / "build" / "elastic")
    workspace: Path = parser.parse_args().workspace
    for place in sorted(
        (path.parent for path in (workspace / "studies").glob(f"*/{PAGE}")),
        key=lambda path: (path / CELLS).stat().st_mtime,
    ):
        keep(place)
    kept = sorted(path.parent for path in KEPT.glob(f"*/{CELLS}"))
    page = ROOT / "docs" / "results" / "elastic.md"
    page.write_text(elastic_page(kept), encoding="utf-8")
    readme = ROOT / "README.md"
    text = with_block(readme.read_text(encoding="utf-8"), readme_block(KEPT / IN_README))
    readme.write_text(text, encoding="utf-8")
    print(f"written: {page.relative_to(ROOT)} with {', '.join(place.name for place in kept)}")


def keep(place: Path) -> None:
    """Copy a comparison beside the page, under the name of its recipe."""
    target = KEPT / read_comparison(place).config.name
    target.mkdir(parents=True, exist_ok=True)
    for name in (CELLS, PAGE, PICTURE):
        shutil.copy(place / name, target / name)


def elastic_page(kept: list[Path]) -> str:
    """All comparisons, one below the other."""
    parts = [
        "# Elastic training against its controls\n",
        "Written by `scripts/refresh_elastic.py` (`make results-elastic`) from the cells in the "
        "folder `elastic` beside this page, each made of booked runs. "
        "[How to read it](../elastic.md).\n",
    ]
    for place in kept:
        text = (place / PAGE).read_text(encoding="utf-8")
        # One level down, and from where this page stands.
        lines = [f"#{line}" if line.startswith("#") else line for line in text.splitlines()]
        body = "\n".join(lines).replace(f"({PICTURE})", f"(elastic/{place.name}/{PICTURE})")
        parts.append(f"{body}\n")
    return "\n".join(parts)


def readme_block(place: Path) -> str:
    """Table and sentences of one comparison."""
    made = read_comparison(place)
    summary = Summary(made.cells, made.config.compare)
    sentences = "\n".join(f"- {sentence}" for sentence in summary.sentences())
    return f"{members_table(summary)}\n{sentences}\n"


def with_block(page: str, block: str) -> str:
    """`page` with the text between the two marks replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{block.rstrip()}\n{END}{after}"


if __name__ == "__main__":
    main()
