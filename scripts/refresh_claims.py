"""Write docs/results/claims.md: the largest claim made so far, and what is known of verifying.

    python scripts/claim_story.py claims/four-members/claim.yaml --to build/four-members ...
    python scripts/refresh_claims.py [--story build/four-members]

The claim's figures are read from its bundle in claims/. What making and verifying took is kept in
docs/results/claims/NAME.json (the story.json of `claim_story.py`), what the benches of bench/claims
measured in the other files there, and in docs/results/tolerance.json. What is not there is left
out. With --story, the story and its claim are taken over first.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from claim_views import BASES, Bundle, alone, views

from farthing.artifacts.claims.selection import DRAWN
from farthing.artifacts.claims.statement import CostLine
from farthing.artifacts.config import parse_config
from farthing.charts.visible import visible
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results"
KEPT = RESULTS / "claims"
PAGE = RESULTS / "claims.md"
LARGEST = "four-members"
# Measured by bench/claims, in the order in which they are shown.
BENCHES = ("mutations", "verify_speed", "share_of_replay", "booking")
APART = 100
_UNITS = {"flops": "FLOPs", "device_hours": "device-hours"}
_MEGA = 1e6
# A nonce: its first digits are enough to tell it from others.
_LONG_HEX = re.compile(r"\b[0-9a-f]{64}\b")

Json = dict[str, Any]


def main() -> None:
    """Take a story over, if one is named, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--story", type=Path, help="folder of claim_story.py")
    story: Path | None = parser.parse_args().story
    if story is not None:
        take_over(story)
    PAGE.write_text(page(), encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}")


def take_over(story: Path) -> None:
    """Claim and story from where they were made."""
    told = json.loads((story / "story.json").read_text(encoding="utf-8"))
    claim = ROOT / told["claim"]
    claim.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(story / claim.name, claim)
    KEPT.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(story / "story.json", KEPT / f"{claim.stem}.json")


def page() -> str:
    """The whole page."""
    parts = [
        "# Claims: the largest one so far, and what verifying is worth\n",
        "Written by `scripts/refresh_claims.py` (`make results-claims`) from the claim's bundle "
        "and the measurements in the folder `claims` beside this page. [How claims work]"
        "(../claims.md), [how to cheat with one](../threats.md).\n",
    ]
    kept = KEPT / f"{LARGEST}.json"
    if kept.exists():
        told = json.loads(kept.read_text(encoding="utf-8"))
        parts += claim_section(Bundle.read(ROOT / told["claim"]), told)
    for name in BENCHES:
        path = KEPT / f"{name}.json"
        if path.exists():
            parts += bench_section(json.loads(path.read_text(encoding="utf-8")))
    tolerance = RESULTS / "tolerance.json"
    if tolerance.exists():
        parts += tolerance_section(json.loads(tolerance.read_text(encoding="utf-8")))
    return "\n".join(parts).rstrip() + "\n"


def claim_section(bundle: Bundle, told: Json) -> list[str]:
    """What is claimed, what it cost, and what verifying it proved."""
    claim = bundle.claim
    return [
        f"## The largest claim: {claim.name}\n",
        f"> {visible(claim.statement)}\n",
        f"The bundle is committed, {bundle.bytes / _MEGA:.1f} MB: [{Path(told['claim']).name}]"
        f"(../../{told['claim']}). `make verify-claims` checks it from its signatures and "
        "arithmetic (levels 0 and 1), in seconds.\n",
        *scope(bundle, told),
        "### Reached\n",
        reached(bundle),
        "### Ratio\n",
        *ratios(bundle),
        "### What it cost\n",
        cost(claim.cost),
        "Every run of the book stands in one line. `repeated`, `tuning` and `other` are empty "
        "unless they are listed. kWh are estimated from the processor's watts, where no sensor "
        "reads them; there are dollars only where the book holds a price.\n",
        "### Verified by another party\n",
        *verified(told),
        "### One forged segment\n",
        *forged(bundle, told),
        "### What it excludes\n",
        *(f"- *{visible(each.what)}*: {visible(each.why)}" for each in claim.excluded),
        "",
        "### Every command\n",
        *commands(told),
    ]


def scope(bundle: Bundle, told: Json) -> list[str]:
    """Sizes, text, seeds, machine."""
    claim, draft = bundle.claim, bundle.draft
    method, *baselines = (each["recipe"] for each in draft["runs"])
    sizes = parse_config(ModelConfig, method["model"], where="the draft")
    members = ", ".join(Shape.parse(each.shape, sizes).label(sizes) for each in claim.reached)
    lengths = " and ".join(f"{each['train']['steps']:,}" for each in baselines)
    shape = baselines[0]["model"]
    # The longest of each side: claimed runs stand by length.
    tokens = {each.arm: each.amounts.tokens for each in claim.runs}
    rows = [
        ["method", f"one elastic run of {method['train']['steps']:,} steps, {tokens['method']:,} "
         f"tokens; {sizes.hidden_dim} wide, {sizes.num_layers} layers, {sizes.num_experts} experts,"
         f" top-{sizes.top_k}; claimed members {members}"],
        ["baseline", f"{claim.baseline}: dense, {shape['hidden_dim']} wide, {shape['num_layers']} "
         f"layers; runs of {lengths} steps, each with a whole schedule; the longest reads "
         f"{tokens['baseline']:,} tokens"],
        ["seeds", f"{len(claim.seeds)}, from draft and nonce: {', '.join(map(str, claim.seeds))}"],
        ["scored text", f"{draft['split']}, mean over its domains; corpus "
         f"{draft['corpus_digest'][:16]}"],
        ["checkpoints", f"{claim.checkpoints.segments:,} segments, "
         f"{claim.checkpoints.bytes / 1e9:.2f} GB on the claimant's disk; the answer "
         f"{told['answer_bytes'] / 1e9:.2f} GB"],
        ["machine", f"{told['machine']}, {told['threads']} used; Python {told['python']}, torch "
         f"{draft['packages'].get('torch', 'unknown')}"],
        ["code", f"{draft['code'][:16]}, commit {str(draft['commit'])[:8]}"],
        ["statement", f"`{bundle.digest}`"],
        ["tuned before", visible(draft["tuning"]["before"])],
    ]  # fmt: skip
    return [markdown(["what", "as registered"], rows)]


def reached(bundle: Bundle) -> str:
    """Every member against its target."""
    claim = bundle.claim
    recipe = bundle.draft["runs"][0]["recipe"]
    sizes = parse_config(ModelConfig, recipe["model"], where="the draft")
    rows = [
        [
            Shape.parse(each.shape, sizes).label(sizes),
            f"{each.target:g}",
            " ".join(f"{bpb:.4f}" for bpb in each.bpb),
            f"{each.mean:.4f}",
            f"{each.upper95:.4f}",
            " ".join("never" if cost is None else f"{cost:.3g}" for cost in each.baseline_cost),
            "yes" if each.counted else "no" if each.reached else "**not reached**",
        ]
        for each in claim.reached
    ]
    names = ["member", "target", "bits per byte by seed", "mean", "at most (95 %)"]
    return markdown([*names, f"baseline's {claim.basis} for the target, by seed", "counts"], rows)


def ratios(bundle: Bundle) -> list[str]:
    """The three views in each basis, and plainly which of them the method loses."""
    rows, lost = [], []
    for basis in BASES:
        for view in views(bundle, basis):
            unit = _UNITS[basis]
            rows.append([unit, view.name, f"{view.point:.2f}", f"{view.lower95:.2f}"])
            if view.lower95 < 1:
                how = "below 1" if view.point < 1 else "not above 1 with its bound"
                lost.append(f"{unit}, {view.name}: {how}")
    if not rows:
        return ["None: no member is reached by the method and by the baseline.\n"]
    return [
        "What the baseline pays for all counted members over what the method pays for its one run; "
        "above 1 the method wins. Geometric mean over the seeds, and its one-sided 95 % bound.\n",
        markdown(["in", "view", "ratio", "at least (95 %)"], rows),
        f"**The method does not win in {'; '.join(lost)}.**\n"
        if lost
        else "Above 1 with its bound in every view.\n",
        *single(bundle),
        "- *training*: what the models rest on, on both sides.\n"
        "- *loaded*: the method also pays the corpus, all that was repeated, tuning and its "
        "evaluation; the baseline still its training alone.\n"
        "- *both loaded*: the baseline too pays the corpus, and scores each of its models once; "
        "counted on this page, from the entries of the bundle.\n",
    ]


def single(bundle: Bundle) -> list[str]:
    """What the family is worth to somebody who wants one member of it."""
    found = alone(bundle)
    if not found or max(found) >= 1:
        return []
    return [
        "**For one member alone the method does not win**: the baseline reaches a single target "
        f"for {min(found):.2f} to {max(found):.2f} of the {_UNITS[bundle.claim.basis]} of the "
        "method's run (training). The ratios are those of the whole family.\n"
    ]


def cost(lines: Iterable[CostLine]) -> str:
    """The cost vector, by line."""
    rows = [
        [
            line.what,
            str(amounts.runs),
            f"{amounts.device_hours:.3f}",
            f"{amounts.flops + amounts.optimizer_flops:.3g}",
            f"{amounts.tokens:,}",
            "unknown" if amounts.kwh is None else f"{amounts.kwh:.4f} ({amounts.energy_method})",
            "no price" if amounts.usd is None else f"{amounts.usd:.4f}",
        ]
        for line in lines
        if (amounts := line.amounts).runs or amounts.device_hours
    ]
    names = ["line", "runs", "device-hours", "FLOPs", "tokens", "kWh", "USD"]
    return markdown(names, rows)


def verified(told: Json) -> list[str]:
    """What each level took and proved."""
    verdict = told["verdict"]
    rows = [
        [
            f"{level['level']}, {level['title']}",
            "holds" if level["ok"] else "**FAILS**",
            str(level["checks"]),
            f"{level['cpu_seconds']:.1f}",
            level["proves"],
            level["cannot"],
        ]
        for level in verdict["levels"]
    ]
    made = sum(each["cpu_seconds"] for each in told["commands"] if each["what"] in ("run", "draft"))
    spent = sum(level["cpu_seconds"] for level in verdict["levels"])
    return [
        "Another key, another workspace, a clone of its own; nothing was handed over but claim, "
        f"nonce and answer. Verdict: **{verdict['wording']}**. Fresh text of the verifier: "
        f"{'; '.join(told['fresh']) or 'none'}.\n",
        markdown(["level", "state", "checks", "CPU-s", "proves", "cannot see"], rows),
        f"Verifying took {spent:,.0f} CPU-seconds, draft and runs {made:,.0f}. Replayed were "
        f"{len(looked_at(verdict))} segments.\n",
        *[
            f"- {each['check']}, {each['where']}: {visible(each['detail'])}"
            for each in verdict["findings"]
            if each["check"] in ("fresh text", "overlap", "rerun")
            and not each["where"].startswith("models/")
        ],
        "",
    ]


def forged(bundle: Bundle, told: Json) -> list[str]:
    """The sentence that says where."""
    others = bundle.claim.checkpoints.segments - len(looked_at(told["verdict"])) + DRAWN
    left = others - DRAWN
    # Two segments that are not among those drawn.
    missed = left * (left - 1) / (others * (others - 1))
    forgery = told["forged"]
    verdict = forgery["verdict"]
    first = {level["level"]: level["ok"] for level in verdict["levels"]}
    wrong = [each for each in verdict["findings"] if not each["ok"]]
    holding = ", ".join(str(level) for level, ok in first.items() if ok)
    return [
        f"In a copy of the workspace a thousandth was added to one matrix of the checkpoint after "
        f"step {forgery['last_step']} of run {forgery['run']}. With the claimant's own key, book "
        "and journals were signed again around it, and claim and answer made by a farthing that "
        f"replays nothing before it hands it out. Levels {holding} hold. What does not:\n",
        *(f"- level {each['level']}, {each['where']}: {visible(each['detail'])}" for each in wrong),
        "",
        f"Verdict: **{verdict['wording']}**. This segment is one of those that are always looked "
        "at. A single forged checkpoint elsewhere spoils two segments, the one that it ends and "
        f"the one that begins with it; of the other {others:,} the nonce draws {DRAWN}, so it is "
        f"found in {1 - missed:.0%} of all cases.\n",
    ]


def looked_at(verdict: Json) -> set[str]:
    """The segments that were replayed, each by its place."""
    return {each["where"] for each in verdict["findings"] if each["check"] == "replay"}


def commands(told: Json) -> list[str]:
    """Who ran what, and what it took."""
    rows = [
        [
            each["party"],
            f"`{_short(each['command'])}`",
            f"{each['cpu_seconds']:,.0f}",
            f"{each['wall_seconds']:,.0f}",
            f"{each['peak_mib']:,}",
            str(each["exit"]),
        ]
        for each in told["commands"]
    ]
    story = f"claims/{LARGEST}/claim.yaml --to build/{LARGEST}"
    return [
        f"NAME is {LARGEST}.\n",
        markdown(["party", "command", "CPU-s", "wall s", "peak MiB", "exit"], rows),
        "Wall seconds hold whatever else the machine did meanwhile.\n",
        *(f"- {note}" for note in told["notes"]),
        *([""] if told["notes"] else []),
        "The checkpoints are too large to commit, so levels 2 and 3 need a claimant who still has "
        "them. To make such a claim again, with seeds of a new nonce, and to verify it under "
        f"another key: `make claim-largest` (`python scripts/claim_story.py {story}`).\n",
    ]


def _short(command: str) -> str:
    """A command with the first digits of its nonce, and NAME for the claim's."""
    named = command.replace(f" {LARGEST} ", " NAME ")
    return _LONG_HEX.sub(lambda found: f"{found[0][:8]}...", named)


def bench_section(data: Json) -> list[str]:
    """One measurement of bench/claims."""
    where = ", ".join(f"{name} {value}" for name, value in data["environment"].items())
    rows = [[row["what"], number(row["value"]), row["unit"]] for row in data["rows"]]
    parts = [
        f"## {data['title']}\n",
        f"`{data['command']}`; {where}.\n",
        markdown(["what", "measured", "unit"], rows),
    ]
    if target := data["target"]:
        met = "met" if target["met"] else "**not met**"
        wanted, measured = number(target["wanted"]), number(target["measured"])
        parts.append(f"Wanted: {wanted}; measured: {measured}: {met}.\n")
    return parts


def tolerance_section(data: Json) -> list[str]:
    """How far honest noise and the smallest forgeries stay apart."""
    forced = [row for row in data["rows"] if row["forced"]]
    honest = [row for row in forced if row["kind"] == "honest"]
    tampered = [row for row in forced if row["kind"] == "forged"]
    rows = [
        [row["kind"], row["name"], f"{row['overall']:.1e}", f"{row['worst']:.1e}"]
        for row in (*honest, *sorted(tampered, key=lambda row: -row["overall"]))
    ]
    gaps = {
        "all weights together": _gap(honest, tampered, "overall"),
        "the worst tensor": _gap(honest, tampered, "worst"),
    }
    told = "; ".join(
        f"in {what} {gap:,.0f} ({name}): {'met' if gap >= APART else '**not met**'}"
        for what, (gap, name) in gaps.items()
    )
    return [
        "## Honest noise and the smallest forgeries\n",
        f"`python bench/claims/tolerance.py`; recipe {data['recipe']}, {data['precision']}, steps "
        f"{data['steps'][0]} to {data['steps'][1]}, torch {data['torch']}, {data['instructions']}. "
        "Difference of the end from the booked one over the change of the weights, expert choices "
        "forced. Honest replays compute with other threads or operators.\n",
        markdown(["kind", "what", "all weights", "worst tensor"], rows),
        f"Smallest forgery over largest honest noise, wanted at least {APART}: {told}.\n",
    ]


def _gap(honest: Sequence[Json], tampered: Sequence[Json], what: str) -> tuple[float, str]:
    nearest = min(tampered, key=lambda row: row[what])
    return nearest[what] / max(row[what] for row in honest), nearest["name"]


def number(value: object) -> str:
    """A figure for people; words stay as they are."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.4g}"
    return f"{value:,.0f}" if isinstance(value, (int, float)) else str(value)


def markdown(columns: list[str], rows: list[list[str]]) -> str:
    """A table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
