"""Rebuild the embedded sample from the raw corpus folder: the same folder, the same bytes.

    python scripts/build_sample.py --corpus DIR [--out src/farthing/text/sample]

DIR holds the raw `*.jsonl.zst` files (one object a line: id, text, source, license, lang). The
choice of works and their sides is `sample_selection.yaml`; cleaning is one short function per
kind of text; what each side holds is written to SOURCES.md. LICENSES.md is kept by hand.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
import zstandard

from farthing.stages.curate.near_duplicates import NearDuplicates

SIDES = ("test", "dev", "train")  # the order in which near-duplicates are decided
DOMAINS = ("en", "zh", "code", "maths")
LANGUAGES = {"en": "en", "zh": "zh", "code": "zxx", "maths": "en"}
NEAR_DUPLICATE_SHARE = 0.1

LICENCES = {"public-domain", "MIT", "PSF-2.0", "CC-BY-4.0"}

FULL_WIDTH_COLON = "\uff1a"

Record = dict[str, str]


@dataclass(frozen=True)
class Part:
    """One entry of the selection; `sample_selection.yaml` explains the fields."""

    file: str
    domain: str
    side: str
    prefixes: tuple[str, ...]
    limit: int | None = None


def read_selection() -> list[Part]:
    """The entries of `sample_selection.yaml` beside this script."""
    text = Path(__file__).with_name("sample_selection.yaml").read_text(encoding="utf-8")
    return [Part(**{**row, "prefixes": tuple(row["prefixes"])}) for row in yaml.safe_load(text)]


def main() -> None:
    """Parse the arguments and write the three sides and SOURCES.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, required=True, help="folder of raw .jsonl.zst")
    parser.add_argument("--out", type=Path, default=Path("src/farthing/text/sample"))
    arguments = parser.parse_args()
    skipped: Counter[str] = Counter()
    sides = drop_near_duplicates(list(gather(arguments.corpus, skipped)), skipped)
    for side, records in sides.items():
        write_side(arguments.out / f"{side}.jsonl.zst", records)
        print(side, len(records), sum(size_of(record) for record in records))
    (arguments.out / "SOURCES.md").write_text(describe(sides, skipped), encoding="utf-8")


def gather(corpus: Path, skipped: Counter[str]) -> Iterator[Record]:
    """Every selected document, cleaned, with its side under the key "side"."""
    for part in read_selection():
        rows = [
            row
            for row in read_raw(corpus / f"{part.file}.jsonl.zst")
            if row["id"].startswith(part.prefixes)
        ]
        if part.file == "zh_novels":
            rows.sort(key=lambda row: chapter_number(row["id"]))
        if part.file == "zh_law":
            rows = latest_versions(rows, skipped)
        assert rows, f"{part} selects nothing"
        for row in rows[: part.limit]:
            work, side = place(part, row)
            if row["id"].startswith("cpython/") and re.search(
                r"(?i)copyright|licen[cs]e", row["text"]
            ):
                skipped["standard library file with a notice of its own"] += 1
                continue
            for number, text in enumerate(CLEANERS[part.file](row["text"])):
                pieces = part.file == "en_books"
                yield {
                    "id": f"{row['id']}#{number + 1}" if pieces else row["id"],
                    "text": text,
                    "source": row["source"],
                    "licence": licence_of(row["license"]),
                    "language": LANGUAGES[part.domain],
                    "domain": part.domain,
                    "work": work,
                    "side": side,
                }


def read_raw(path: Path) -> Iterator[Record]:
    """The rows of a raw file."""
    with path.open("rb") as raw:
        stream = zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(raw)
        for line in io.TextIOWrapper(stream, encoding="utf-8", newline="\n"):
            yield json.loads(line)


def place(part: Part, row: Record) -> tuple[str, str]:
    """The work and the side of a row."""
    if row["id"].startswith("openlogic/"):
        return "openlogic", part.side
    if part.file == "en_books":  # all books of an author are one work
        return "/".join(row["id"].split("/")[:2]), part.side
    if part.side != "hashed":
        return next(p for p in part.prefixes if row["id"].startswith(p)).rstrip("/"), part.side
    work = re.sub(r"\([\d-]+\)\.md$", "", row["id"])
    draw = int.from_bytes(hashlib.sha256(work.encode()).digest()[:4], "big") / 2**32
    share = 0.03 if part.domain == "maths" else 0.05
    return work, "test" if draw < share else "dev" if draw < 2 * share else "train"


def licence_of(raw: str) -> str:
    """The licence's short name."""
    licence = raw.split(" ")[0]
    assert licence in LICENCES, f"{raw} is not a licence this sample may carry"
    return licence


def latest_versions(rows: list[Record], skipped: Counter[str]) -> list[Record]:
    """Of several dated versions of one statute, the last."""
    latest: dict[str, Record] = {}
    for row in sorted(rows, key=lambda row: row["id"]):
        latest[re.sub(r"\([\d-]+\)\.md$", "", row["id"].rsplit("/", 1)[1])] = row
    skipped["older version of a statute"] += len(rows) - len(latest)
    return list(latest.values())


def chapter_number(identifier: str) -> int:
    """11 for ".../第十一回/text.txt"."""
    match = re.search("第(.+?)回", identifier)
    if match is None:
        return 0
    total = digit = 0
    for character in match[1]:
        if character in "十百":
            total += (digit or 1) * (10 if character == "十" else 100)
            digit = 0
        else:
            digit = max(0, "零一二三四五六七八九".find(character))
    return total + digit


def clean_book(text: str) -> list[str]:
    """The chapters of a book, without the title page and the Markdown of its headings."""
    text = tidy(text.split("-------\n", 1)[1])
    pieces: list[str] = []
    for piece in re.split(r"(?m)^(?=#{2,3} )", text):
        plain = re.sub(r"(?m)^#+ +", "", piece).strip()
        if pieces and len(pieces[-1]) < 2000:  # a part's title page belongs to what follows
            pieces[-1] += "\n\n" + plain
        elif plain:
            pieces.append(plain)
    return [piece + "\n" for piece in pieces]


def clean_speech(text: str) -> list[str]:
    """The speech as it is, with tidy lines."""
    return [tidy(text)]


def clean_novel(text: str) -> list[str]:
    """The chapter without markup; the spaces that stand for its quotation marks made marks again.

    The upstream edition has ` ... ` where the print has “...”. A paragraph is restored only where
    the spaces pair up and every one after a colon opens a pair; others are left as they are.
    """
    text = re.sub("</?strong>", "", text.replace("<br/>", "\n"))
    lines = [line.strip() for line in text.split("\n")]
    return [tidy("\n".join(restore_quotes(line) for line in lines))]


def restore_quotes(paragraph: str) -> str:
    """“...” for ` ... `, where this is certain enough."""
    spaces = [match.start() for match in re.finditer(" +", paragraph)]
    opens = [n % 2 == 0 for n, at in enumerate(spaces) if paragraph[at - 1] == FULL_WIDTH_COLON]
    if not spaces or not all(opens) or re.search("[“”]", paragraph):
        return paragraph
    pieces = re.split(" +", paragraph)
    if len(pieces) % 2 == 0:  # the last quotation ends with the paragraph
        pieces.append("")
    return "".join(piece + "“”"[n % 2] for n, piece in enumerate(pieces[:-1])) + pieces[-1]


def clean_law(text: str) -> list[str]:
    """The statute without the mark between its head and its body."""
    return [tidy(text.replace("<!-- INFO END -->\n", ""))]


def clean_problem(text: str) -> list[str]:
    """The problem and its solution without the calculator's annotations."""
    return [tidy(re.sub(r"<<[^<>]*>>", "", text))]


def clean_latex(text: str) -> list[str]:
    """The section without comments, preamble and file marks; nothing where nothing is left."""
    body = text.split(r"\begin{document}", 1)[-1].split(r"\end{document}", 1)[0]
    lines = [
        line for line in body.split("\n") if not re.match(r"\s*(%|\\(olfileid|olimport))", line)
    ]
    cleaned = tidy("\n".join(lines))
    return [cleaned] if len(cleaned) > 300 else []


def clean_code(text: str) -> list[str]:
    """The file as it is; nothing where it is empty."""
    return [tidy(text, keep_blank_lines=True)] if len(text) > 200 else []


def tidy(text: str, *, keep_blank_lines: bool = False) -> str:
    """Unix line ends, no trailing space, one empty line at most between paragraphs of prose."""
    text = (
        text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "").replace("\u3000", " ")
    )
    text = re.sub("[\ue000-\uf8ff]", "", text)  # private use: glyphs of one font, no characters
    text = "\n".join(line.rstrip() for line in text.split("\n")).strip("\n") + "\n"
    return text if keep_blank_lines else re.sub(r"\n{3,}", "\n\n", text)


CLEANERS: dict[str, Callable[[str], list[str]]] = {
    "en_books": clean_book,
    "en_speech": clean_speech,
    "zh_novels": clean_novel,
    "zh_law": clean_law,
    "code_python": clean_code,
    "math_qa": clean_problem,
    "math_latex": clean_latex,
}


def drop_near_duplicates(records: list[Record], skipped: Counter[str]) -> dict[str, list[Record]]:
    """The records by side, without those that nearly repeat a side before theirs."""
    kept: dict[str, list[Record]] = {side: [] for side in SIDES}
    seen: set[str] = set()
    held_out: list[str] = []
    for side in SIDES:
        index = NearDuplicates.of_texts(held_out, share=NEAR_DUPLICATE_SHARE)
        for record in records:
            if record["side"] != side:
                continue
            if record["text"] in seen:
                skipped["exact duplicate"] += 1
            elif index.repeats(record["text"]):
                skipped[f"{side} near-duplicate of held-out text"] += 1
            else:
                seen.add(record["text"])
                kept[side].append({key: record[key] for key in record if key != "side"})
        held_out += [record["text"] for record in kept[side]]
    return kept


def write_side(path: Path, records: list[Record]) -> None:
    """One zstd frame at level 19 with a window over the whole file."""
    data = "".join(json.dumps(r, ensure_ascii=False, sort_keys=True) + "\n" for r in records)
    parameters = zstandard.ZstdCompressionParameters.from_level(
        19, window_log=25, enable_ldm=True, threads=0
    )
    path.write_bytes(
        zstandard.ZstdCompressor(compression_params=parameters).compress(data.encode())
    )


def size_of(record: Record) -> int:
    """UTF-8 bytes of the text."""
    return len(record["text"].encode())


def describe(sides: dict[str, list[Record]], skipped: Counter[str]) -> str:
    """SOURCES.md: totals, every work with side, licence and upstream, and every file."""
    lines = [
        "# The embedded sample: what it holds and where it came from",
        "",
        "Written by `scripts/build_sample.py`; notices are in `LICENSES.md`. Text is public",
        "domain or under MIT, PSF-2.0 or CC-BY-4.0. Bytes are UTF-8 bytes of text. The sides are",
        "split by work: all books of an author, all chapters of a novel, all files of a package,",
        "each statute and each GSM8K problem is one work; OpenLogic is one.",
        "",
        "Changes to the originals: title pages, Markdown headings, LaTeX preambles and comments",
        "and the `<<...>>` annotations of GSM8K are removed; books are cut into chapters; line",
        "ends and blank lines are tidied; the quotation marks of the Chinese novels, which",
        "upstream has as spaces, are restored in paragraphs where they pair up.",
        "",
        "| domain | side | documents | bytes |",
        "|---|---|---|---|",
    ]
    for domain in DOMAINS:
        for side in reversed(SIDES):
            mine = [r for r in sides[side] if r["domain"] == domain]
            lines.append(f"| {domain} | {side} | {len(mine)} | {sum(map(size_of, mine))} |")
    lines += ["", "Left out on the way:", ""]
    lines += [f"- {reason}: {count}" for reason, count in sorted(skipped.items())]
    lines += [
        "",
        "## Works",
        "",
        "| work | domain | side | documents | bytes | licence | upstream |",
    ]
    lines += ["|---|---|---|---|---|---|---|"]
    files: dict[str, list[str]] = defaultdict(list)
    for side in reversed(SIDES):
        rows: dict[tuple[str, ...], list[Record]] = defaultdict(list)
        for record in sides[side]:
            work = group(record["work"])
            rows[work, record["domain"], side, record["licence"], record["source"]].append(record)
            files[f"{work} ({side})"].append(record["id"].split("#")[0])
        for (work, domain, _, licence, source), records in sorted(rows.items()):
            total = sum(map(size_of, records))
            lines.append(
                f"| {work} | {domain} | {side} | {len(records)} | {total} | {licence} | {source} |"
            )
    lines += ["", "## Files", ""]
    for work, names in sorted(files.items()):
        prefix = work.split(" (")[0].rstrip("*")
        unique = dict.fromkeys(name.removeprefix(prefix).lstrip("/") or name for name in names)
        lines.append(f"- **{work}**: {', '.join(unique)}")
    return "\n".join(lines) + "\n"


def group(work: str) -> str:
    """One row for the many one-document works of a kind."""
    if work.startswith("gsm8k-train/"):
        return "gsm8k-train/*"
    return re.sub(r"^law/([^/]+)/.*", r"law/\1/*", work)


if __name__ == "__main__":
    main()
