"""What a workspace knows that a plan rests on: prices, grid, additions, runs, and the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from farthing.artifacts.entries import Record, read_book
from farthing.artifacts.manifest import MANIFEST_NAME, read_manifest
from farthing.artifacts.settings import Basis, WorkspaceSettings, load_settings
from farthing.artifacts.workspace import Workspace
from farthing.errors import CorpusError, UnknownHardwareError
from farthing.flow.planning.devices import Devices, accelerator_devices
from farthing.flow.planning.here import find_processor, processor_devices, this_machine
from farthing.hardware.catalogue import Catalogue, read_catalogue
from farthing.hardware.machine import Machine
from farthing.ledger.figures import Rates
from farthing.ledger.given_rates import make_rates
from farthing.predict.booked import BookedSpeed, booked_speeds
from farthing.predict.law import Law, law_of
from farthing.predict.points import SAMPLE, Point, booked_points
from farthing.predict.pool import Group, read_pool
from farthing.predict.sizes import MOST_EPOCHS, SAMPLE_BYTES, bytes_per_token
from farthing.quantity import Quantity

HERE = "here"
_SAMPLE_VOCABULARY = 4096
# Where a recipe looks for text that nobody has named yet.
_WANTED = "text/"
_UNREAD = "text that no run has read"
_PACKED = (".gz", ".zst", ".parquet")
_PACKED_FACTOR = 3.0


@dataclass(frozen=True)
class Text:
    """What a run reads.

    Attributes:
        sources: as a recipe names them; None for the embedded sample.
        tokens: how many there are, or None where that is open.
        vocabulary: that it asks for, or None.
        decided: whether the size of the run may still choose between the sample and more text.
        words: where the number of tokens comes from.
    """

    sources: tuple[str, ...] | None
    tokens: float | None
    vocabulary: int | None
    decided: bool
    words: str

    def for_run(self, tokens: float) -> Text:
        """The text of a run of so many tokens: the sample, as long as it lasts."""
        if self.decided or tokens <= sample_tokens() * MOST_EPOCHS:
            return replace(self, decided=True)
        return replace(self, sources=(_WANTED,), decided=True, words="text that has to be found")


def sample_tokens() -> float:
    """Tokens of the embedded sample's training text in its 4,096 words."""
    return SAMPLE_BYTES / bytes_per_token(_SAMPLE_VOCABULARY)


@dataclass(frozen=True)
class Surroundings:
    """A workspace, which may not exist yet."""

    workspace: Workspace
    settings: WorkspaceSettings
    catalogue: Catalogue

    @classmethod
    def of(cls, root: Path) -> Surroundings:
        """Read `farthing.yaml` and what the workspace adds to the catalogue.

        Raises:
            ConfigError: either is wrong.
            ArtifactError: an added price table was changed.
        """
        workspace = Workspace(root)
        return cls(workspace, load_settings(workspace), read_catalogue(root))

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """The book's entries, verified; none where there is no book."""
        path = self.workspace.book_file
        return read_book(path).records if path.exists() else ()

    @cached_property
    def speeds(self) -> tuple[BookedSpeed, ...]:
        """How fast the workspace's own trainings were."""
        return booked_speeds(self.workspace, self.records) if self.records else ()

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """How good the workspace's own members are."""
        return booked_points(self.workspace, self.records) if self.records else ()

    @cached_property
    def rates(self) -> Rates:
        """Prices, grid and site of `farthing.yaml`."""
        return make_rates(self.settings, self.workspace.root)

    def law(self, text: Text) -> Law:
        """The law of quality on a text."""
        return law_of(self.points, corpus=SAMPLE if text.sources is None else _UNREAD)

    def devices(
        self, hardware: str | None, basis: Basis, grid: str | None, *, priced: bool
    ) -> Devices:
        """The devices by name; this machine's where there is none.

        Args:
            hardware: as somebody names them.
            basis: whose price a budget has.
            grid: by its code, or None for that of `farthing.yaml`.
            priced: whether there is a budget: a price is needed then.

        Raises:
            PlanError: the name cannot be read.
            UnknownHardwareError: nobody has given a figure for them, or for the grid.
        """
        grams = self.grams(grid)
        groups, machine = self._named(hardware)
        if machine is None:
            return accelerator_devices(
                groups,
                self.catalogue,
                self.settings,
                self.rates,
                basis=basis,
                priced=priced,
                grams_per_kwh=grams,
                booked=self.speeds,
            )
        return processor_devices(
            machine,
            self.catalogue,
            self.settings,
            self.rates,
            basis=basis,
            priced=priced,
            grams_per_kwh=grams,
            booked=self.speeds,
            here=hardware in (None, HERE),
        )

    def text(self, folder: Path | None, tokens: float | None) -> Text:
        """What can be read.

        Args:
            folder: of text, or of a finished corpus; None where there is none yet.
            tokens: how many there are, where somebody knows it.

        Raises:
            CorpusError: there is no such folder, or nothing in it.
            ArtifactError: it is a corpus whose manifest is damaged.
        """
        if folder is None and tokens is None:
            return Text(None, None, None, False, "the embedded sample")
        if folder is None:
            return Text((_WANTED,), tokens, None, True, "the number of tokens is yours")
        if tokens is not None:
            return Text((str(folder),), tokens, None, True, "the number of tokens is yours")
        counted = _corpus_tokens(folder)
        if counted is not None:
            words = f"counted in the training text of the corpus {folder}"
            return Text((_WANTED,), counted, None, True, words)
        found = _text_bytes(folder)
        each = bytes_per_token(_SAMPLE_VOCABULARY)
        words = f"{found:,.0f} bytes in {folder}, {each:.3g} a token"
        return Text((str(folder),), found / each, None, True, words)

    def grams(self, grid: str | None) -> Quantity | None:
        """CO2e of a kWh of a grid by its code; None for that of `farthing.yaml`, if it names one.

        Raises:
            UnknownHardwareError: the catalogue has no such grid.
        """
        return self.catalogue.grid(grid) if grid is not None else self.rates.grams_per_kwh

    def _named(self, hardware: str | None) -> tuple[tuple[Group, ...], Machine | None]:
        """Accelerators, or the machine whose processor is meant."""
        if hardware is not None and hardware != HERE:
            try:
                return read_pool(hardware, self.catalogue), None
            except UnknownHardwareError:
                machine = find_processor(hardware, self.catalogue)
                if machine is None:
                    raise
                return (), machine
        machine = this_machine(self.settings, self.workspace.root)
        if machine.accelerator is None:
            return (), machine
        return (Group(self.catalogue.accelerator(machine.accelerator), machine.devices),), None


def _corpus_tokens(folder: Path) -> float | None:
    """Tokens of the training text of a finished corpus; None for any other folder.

    Raises:
        ArtifactError: its manifest is damaged.
    """
    if not (folder / MANIFEST_NAME).is_file():
        return None
    manifest = read_manifest(folder, kind="corpus")
    train = manifest.detail.get("splits", {}).get("train")
    return float(sum(domain["tokens"] for domain in train.values())) if train else None


def _text_bytes(folder: Path) -> float:
    """Bytes of text below a folder, packed files taken for three times as many.

    Raises:
        CorpusError: there is nothing.
    """
    files: Sequence[Path] = [folder] if folder.is_file() else sorted(folder.rglob("*"))
    total = sum(
        path.stat().st_size * (_PACKED_FACTOR if path.suffix in _PACKED else 1.0)
        for path in files
        if path.is_file()
    )
    if not total:
        raise CorpusError(
            f"--corpus {folder}: there is no text", remedy="name a folder or file that holds some"
        )
    return total
