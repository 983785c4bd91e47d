"""Every error that farthing raises on purpose, with the exit code a shell sees.

    FarthingError                 3   something went wrong that we foresaw
    ├── UsageError                2   what was asked for cannot be done as asked
    │   ├── ConfigError               a recipe or farthing.yaml has a wrong key or value
    │   ├── CorpusError               text that is missing, empty or not UTF-8
    │   ├── ShapeError                a sub-model that the supernet does not hold
    │   ├── MissingExtraError         a package that only some features need is not installed
    │   ├── PlanError                 no plan meets what was asked, or nobody can foresee it
    │   └── UnknownHardwareError      hardware, price or grid that nobody has given a figure for
    ├── CheckFailedError          1   something is not what it claims to be
    │   ├── BookError                 a broken chain, a bad signature, a cut tail
    │   ├── ClaimError                a claim, an answer or a verdict that cannot be believed
    │   └── ArtifactError             a file whose digest differs from its manifest
    │       └── CheckpointError       the same for a training checkpoint
    ├── WorkspaceError            3   the disk: full, read-only, not there
    ├── SensorLostError           3   a sensor of energy answers no more; never ends a run
    ├── LockedError               3   somebody else is writing
    ├── DivergedError             3   the loss became NaN or jumped
    └── InterruptedRunError      75   stopped on request, with a checkpoint saved

Each carries `what` (with the offending value), and `remedy` (what to type or change):

    try:
        flow.train(...)
    except FarthingError as error:
        print(error)
        raise SystemExit(error.exit_code)
"""

from __future__ import annotations

from typing import Any


class FarthingError(Exception):
    """Base of all foreseen errors: `what` happened and where, and the `remedy`."""

    exit_code = 3

    def __init__(self, what: str, *, remedy: str) -> None:
        super().__init__(f"{what}\n  remedy: {remedy}")
        self.what = what
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        # Studies raise it in one process and show it in another; the default would call
        # `__init__` with the message alone.
        return _rebuilt, (type(self), self.args, self.__dict__)


class UsageError(FarthingError):
    """What was asked for cannot be done as asked."""

    exit_code = 2


class ConfigError(UsageError):
    """A recipe, a `--set` or `farthing.yaml` has a wrong key or value."""


class CorpusError(UsageError):
    """Text that is missing, empty, malformed or not UTF-8."""


class ShapeError(UsageError):
    """A shape that cannot be read, or that the supernet does not hold."""


class MissingExtraError(UsageError):
    """A feature needs an optional package that is not installed; the remedy is the install line."""

    def __init__(self, feature: str, *, extra: str) -> None:
        super().__init__(
            f"{feature} needs an optional package that is not installed",
            remedy=f'pip install "farthing[{extra}]"',
        )


class PlanError(UsageError):
    """No plan meets a goal and its limits, or the goal lies where no prediction is backed."""


class UnknownHardwareError(UsageError):
    """A chip, price or grid without a figure in the catalogue or in `farthing.yaml`."""


class CheckFailedError(FarthingError):
    """Something is not what it claims to be."""

    exit_code = 1


class BookError(CheckFailedError):
    """The book or a journal was changed, cut, or signed by somebody else."""


class ClaimError(CheckFailedError):
    """A claim, an answer or a verdict is malformed, changed, or signed by somebody else."""


class ArtifactError(CheckFailedError):
    """A file of an artifact is missing or its digest differs from the manifest."""


class CheckpointError(ArtifactError):
    """A training checkpoint is corrupted."""


class WorkspaceError(FarthingError):
    """The disk refused: full, read-only, or the folder is not there."""


class SensorLostError(FarthingError):
    """A sensor of energy answers no more: the meter estimates from there on and notes it."""


class LockedError(FarthingError):
    """Another process holds the lock that this one needs."""


class DivergedError(FarthingError):
    """Training stopped because the loss became NaN or jumped."""


class InterruptedRunError(FarthingError):
    """Stopped by a signal at a step boundary; a checkpoint was saved."""

    exit_code = 75


def _rebuilt(kind: type[FarthingError], args: tuple[Any, ...], state: dict[str, Any]) -> Any:  # noqa: ANN401
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error
