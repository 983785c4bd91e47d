"""tiny Shakespeare to a loss: `farthing train` against nanoGPT's CPU reference run.

    python bench/rivals/shakespeare.py --nanogpt PATH --text FILE [--recipe R] [--json FILE]
    python bench/rivals/shakespeare.py --text FILE --tune [--set train.steps=500 ...]

nanoGPT runs as its README says for a CPU. Both sides read bytes (this text has one byte a
character) with a context of 64, train on the first 90 % only, and are charged the CPU-seconds of
the whole training process and its descendants, one pinned thread: imports, compilers (all caches
start empty), checkpoints, and the evaluations that each makes by itself. Preparing the text is a
process of its own on both sides, and shown apart. Then both are scored on the full validation
text by one protocol (shakespeare_score.py).

--tune is for choosing settings: the last tenth of the training text plays validation, and the real
validation text is not read; nanoGPT is left out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import nanogpt
import text as tiny_shakespeare
from measure import Figure, Outcome, arguments, pin
from processes import adopt_orphans, charged
from shakespeare_score import farthing_nats, nanogpt_nats

HERE = Path(__file__).resolve().parent
# The seed that stands in nanoGPT's train.py; others replace it.
NANOGPT_SEED = 1337
REFERENCE = (
    *("config/train_shakespeare_char.py", "--device=cpu", "--compile=False", "--eval_iters=20"),
    *("--log_interval=1", "--block_size=64", "--batch_size=12", "--n_layer=4", "--n_head=4"),
    *("--n_embd=128", "--max_iters=2000", "--lr_decay_iters=2000", "--dropout=0.0"),
)
# Iterations, sequences of a batch, context.
REFERENCE_TOKENS = 2000 * 12 * 64
CONTEXT = 64
WANTED = 1 / 3
THEIRS, OURS, BPE = "nanoGPT", "farthing, bytes", "farthing, BPE"


@dataclass(frozen=True)
class Run:
    """One training run, charged and scored."""

    prepare_seconds: float
    train_seconds: float
    nats: float
    parameters: int
    tokens: int


class NanoGpt:
    """nanoGPT's side: its own prepare.py and train.py, in a copy."""

    def __init__(self, checkout: Path, scratch: Path, whole_text: str) -> None:
        self._folder = scratch / "nanogpt"
        nanogpt.copy_to(checkout, self._folder)
        place = self._folder / "data" / "shakespeare_char"
        (place / "input.txt").write_text(whole_text, encoding="ascii")
        self._characters = sorted(set(whole_text))
        # prepare.py imports a module that it uses only to download.
        (place / "requests.py").write_text("", encoding="ascii")
        self._prepare_seconds = charged(
            [sys.executable, str(place / "prepare.py")],
            folder=self._folder,
            environment={},
            log=scratch / "nanogpt-prepare.log",
        )

    def run(self, seed: int, validation: str) -> Run:
        """Train with the seed of train.py plus `seed`."""
        words = list(REFERENCE)
        if seed:
            # train.py has its seed as a literal: a settings file, which it executes, replaces it.
            override = self._folder / "config" / f"seed_{seed}.py"
            override.write_text(
                "torch.manual_seed = lambda _, real=torch.manual_seed: "
                f"real({NANOGPT_SEED + seed})\n",
                encoding="utf-8",
            )
            words.append(str(override.relative_to(self._folder)))
        out = self._folder / f"out-{seed}"
        log = self._folder.with_name(f"nanogpt-{seed}.log")
        seconds = charged(
            [sys.executable, "train.py", *words, f"--out_dir={out.name}"],
            folder=self._folder,
            environment={},
            log=log,
        )
        own = [line for line in log.read_text().splitlines() if line.startswith("step ")]
        print(f"  nanoGPT's own last word: {own[-1]}")
        nats, parameters = nanogpt_nats(self._folder, out, validation, self._characters)
        return Run(self._prepare_seconds, seconds, nats, parameters, REFERENCE_TOKENS)


class Farthing:
    """farthing's side: `farthing curate`, then `farthing train`, each a process."""

    def __init__(
        self, recipe: str, changes: list[str], scratch: Path, train: str, validation: str
    ) -> None:
        self._scratch = scratch
        self._recipe = recipe
        scratch.mkdir()
        self._changes = [*tiny_shakespeare.write_sources(scratch, train, validation), *changes]
        self._train_bytes = len(train)

    def run(self, seed: int, validation: str) -> Run:
        """Curate and train in a workspace of its own, with empty caches."""
        place = self._scratch / f"seed-{seed}"
        place.mkdir()
        prepare_seconds, made = self._command("curate", seed, place)
        given = made["splits"]["train"][tiny_shakespeare.DOMAIN]["bytes"]
        assert given == self._train_bytes, f"{given} of {self._train_bytes} bytes for training"
        seconds, trained = self._command("train", seed, place)
        nats, parameters = farthing_nats(Path(trained["run"]), validation)
        shutil.rmtree(place)
        return Run(prepare_seconds, seconds, nats, parameters, trained["tokens"])

    def _command(self, verb: str, seed: int, place: Path) -> tuple[float, dict]:
        changes = [*self._changes, f"train.seed={seed}"]
        words = [word for change in changes for word in ("--set", change)]
        log = place / f"{verb}.log"
        home = place / "home"
        home.mkdir(exist_ok=True)
        seconds = charged(
            [sys.executable, "-m", "farthing.cli.main", verb, "--recipe", self._recipe,
             "--workspace", str(place / "workspace"), "--json", *words],
            folder=place,
            environment={
                "HOME": str(home),
                "FARTHING_CACHE": str(home / "farthing"),
                "XDG_CACHE_HOME": str(home / "cache"),
                "TORCHINDUCTOR_CACHE_DIR": str(home / "inductor"),
            },
            log=log,
        )  # fmt: skip
        return seconds, json.loads(log.read_text(encoding="utf-8"))


def main() -> None:
    """Measure, print, write."""
    asked = parse()
    whole = tiny_shakespeare.read_checked(asked.text)
    pin(asked.cpu)
    adopt_orphans()
    train, validation = tiny_shakespeare.split(whole)
    if asked.tune:
        train, validation = tiny_shakespeare.split(train)
    outcome = Outcome("shakespeare", "tiny Shakespeare to nanoGPT's loss", asked.seeds, [])
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        sides: dict[str, NanoGpt | Farthing] = {}
        if not asked.tune:
            checkout = nanogpt.checked(asked.nanogpt)
            outcome.versions["nanoGPT"] = nanogpt.COMMIT[:8]
            sides[THEIRS] = NanoGpt(checkout, scratch, whole)
        for name, recipe in ((OURS, asked.recipe), (BPE, asked.bpe)):
            if recipe:
                place = scratch / name.rpartition(" ")[2]
                sides[name] = Farthing(recipe, asked.set, place, train, validation)
        runs: dict[str, list[Run]] = {name: [] for name in sides}
        for seed in asked.seeds:
            for name, side in sides.items():
                run = side.run(seed, validation)
                runs[name].append(run)
                print(
                    f"seed {seed}, {name}: {run.train_seconds:.1f} CPU-s, {run.nats:.4f} nats per "
                    f"byte; preparing the text {run.prepare_seconds:.1f} CPU-s",
                    flush=True,
                )
    outcome.setting = [
        "nanoGPT is left out: this chooses settings"
        if asked.tune
        else f"nanoGPT: train.py {' '.join(REFERENCE)}, seeds {NANOGPT_SEED} + seed",
        f"farthing: recipe {Path(asked.recipe).name}{''.join(f', {c}' for c in asked.set)}",
        f"context {CONTEXT}; {len(train):,} bytes of training text, all of them used, "
        f"{len(validation):,} of {'a slice of the training text' if asked.tune else 'validation'}, "
        "scored in windows of one context that do not overlap",
        "CPU-seconds, user and system, of the training process and its descendants: imports, "
        "compilers, checkpoints and evaluations included; one pinned thread",
    ]
    outcome.notes = [
        "nanoGPT runs with the settings of its README; farthing's were tuned on a slice of the "
        "training text, to a smaller model: this compares two recipes, not two engines.",
        "nanoGPT's nine evaluations are 360 forward passes beside 2,000 training steps, about 6 % "
        "of its time; farthing's recipe makes none.",
    ]
    report(outcome, runs)
    outcome.close(asked.json)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = arguments(__doc__)
    nanogpt.add_option(parser)
    tiny_shakespeare.add_option(parser)
    parser.add_argument("--recipe", default=str(HERE / "shakespeare.yaml"), help="farthing's")
    parser.add_argument(
        "--bpe",
        default=str(HERE / "shakespeare_bpe.yaml"),
        help="a recipe with a BPE vocabulary, reported apart; empty for none",
    )
    parser.add_argument("--set", action="append", default=[], help="change farthing's recipes")
    parser.add_argument("--tune", action="store_true", help="on a slice of the training text")
    asked = parser.parse_args()
    for name in ("recipe", "bpe"):
        recipe = getattr(asked, name)
        if recipe and Path(recipe).is_file():
            setattr(asked, name, str(Path(recipe).resolve()))
    return asked


def report(outcome: Outcome, runs: dict[str, list[Run]]) -> None:
    """The table by seed and mean, and the target."""
    seconds = {name: Figure.of(run.train_seconds for run in of) for name, of in runs.items()}
    whole = {
        name: Figure.of(run.train_seconds + run.prepare_seconds for run in of)
        for name, of in runs.items()
    }
    nats = {name: Figure.of(run.nats for run in of) for name, of in runs.items()}
    table = []
    for name, of in runs.items():
        compared = seconds[name].over(seconds[THEIRS]) if THEIRS in runs else "-"
        table.append(
            [
                name,
                f"{of[0].parameters:,}",
                f"{of[0].tokens:,}",
                seconds[name],
                "1" if name == THEIRS else compared,
                whole[name],
                f"{nats[name].mean:.4f} ± {nats[name].spread:.4f}",
            ]
        )
    columns = [
        "side",
        "parameters",
        "tokens",
        "CPU-s",
        "share",
        "CPU-s with preparing",
        "nats per byte",
    ]
    outcome.table("Mean over the seeds", columns, table)
    outcome.table(
        "Seed by seed: CPU-seconds and nats per byte",
        ["seed", *runs],
        [
            [str(seed), *(f"{of[i].train_seconds:.1f}; {of[i].nats:.4f}" for of in runs.values())]
            for i, seed in enumerate(outcome.seeds)
        ],
    )
    if THEIRS in runs:
        outcome.target(
            "tiny Shakespeare, bytes: nanoGPT's mean loss reached, share of its CPU-seconds",
            "<=",
            WANTED,
            seconds[OURS].over(seconds[THEIRS]),
            holds=nats[OURS].mean <= nats[THEIRS].mean,
        )


if __name__ == "__main__":
    main()
