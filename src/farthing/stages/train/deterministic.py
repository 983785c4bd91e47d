"""`train.deterministic`: the same bits twice, or an error that names what cannot give them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from farthing.errors import ConfigError
from farthing.model.kernels.deterministic import deterministic_algorithms
from farthing.stages.train.config import TrainConfig

# How torch's refusals read, of whatever operator.
_REFUSAL = "deterministic"


@contextmanager
def deterministic_mode(config: TrainConfig) -> Iterator[None]:
    """Refuse algorithms that may give other bits the next time, if the settings say so.

    On the CPU every algorithm that training uses gives the same bits anyway.

    Raises:
        ConfigError: a step needs an operator that this device has no such algorithm for.
    """
    if not config.deterministic:
        yield
        return
    try:
        with deterministic_algorithms():
            yield
    except RuntimeError as error:
        if _REFUSAL not in str(error):
            raise
        raise ConfigError(
            f"train.deterministic: {str(error).splitlines()[0]}",
            remedy="set train.deterministic=false, and have the run checked to a tolerance; "
            "or train on the CPU",
        ) from error
