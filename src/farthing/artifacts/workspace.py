"""The directory a user works in: where the book, corpora, runs and models are.

    my-workspace/
    ├── farthing.yaml   prices, grid, hardware: what only the user knows
    ├── book.jsonl      the signed ledger of everything that was run here
    ├── corpora/        NAME-KEY/  tokenised text
    ├── journals/       NUMBER.jsonl: the heartbeats of each run, signed
    ├── runs/           NAME-KEY/  one elastic run: checkpoints, metrics, supernet
    ├── scores/         NAME-KEY/  bits per byte of the members of a family
    ├── benchmarks/     NAME-KEY/  their answers to sets of questions
    ├── searches/       NAME-KEY/  members measured to find the best within a limit
    ├── claims/         NAME.claim, and answers to verifiers
    ├── studies/        NAME-KEY/  what many runs together showed
    ├── serving/        NAME-KEY/  how fast a machine serves a member
    ├── measurements/   NAME-DATE.json  how fast a machine takes a recipe's training step
    └── models/         NAME/      extracted members

KEY is the start of the artifact's input key, so the same settings find the same folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from farthing.artifacts.storage import make_directory

KEY_LENGTH = 10


@dataclass(frozen=True)
class Workspace:
    """Paths below one root; creating the object touches nothing."""

    root: Path

    @property
    def settings_file(self) -> Path:
        """`farthing.yaml`."""
        return self.root / "farthing.yaml"

    @property
    def book_file(self) -> Path:
        """`book.jsonl`."""
        return self.root / "book.jsonl"

    @property
    def runs(self) -> Path:
        """The folder of elastic runs."""
        return self.root / "runs"

    @property
    def journals(self) -> Path:
        """The folder of run journals, one `NUMBER.jsonl` per run of any purpose."""
        return self.root / "journals"

    @property
    def measurements(self) -> Path:
        """The folder of what `farthing bench` measured, one file for each time."""
        return self.root / "measurements"

    def place(self, room: str, name: str, input_key: str) -> Path:
        """Where the artifact with this input key stands: `ROOM/NAME-KEY`."""
        return self.root / room / f"{name}-{input_key[:KEY_LENGTH]}"

    def create(self) -> Workspace:
        """Make the root folder if needed; a `WorkspaceError` says why not."""
        make_directory(self.root)
        return self
