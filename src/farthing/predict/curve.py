"""The form of the scaling law: bits per byte of a model's sizes and its run.

The loss of Chinchilla's law in its refit (arXiv 2404.10102), bent where models are tiny,

    bits per byte = level (E + bend ln(1 + x / bend)),   x = A / N^alpha + B / D^beta

At scale x is far below `bend`, so there this is their law; at a million parameters x is six times
`bend`, where theirs would say 2.4 times too much. N is active parameters: nothing is credited
to experts that a token does not visit. D is what the tokens are worth: a run has to warm up, the
longer the more parameters there are in all, and with few steps tokens count for less,

    D = tokens / (1 + warm_tokens (total / a million)^warm_power / tokens + warm_steps / steps)

A member of a family lies between what its own size and what the smallest size would reach alone,
as if the run had been `family_tax` shorter: N = smallest^(1 - size_power) active^size_power.

E, A, B, alpha and beta are theirs; what else stands there is fitted on farthing's own runs (`fit`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from farthing.predict.points import Point

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Rows = NDArray[np.float64]

# One law is a row of these, in this order.
NAMES: Final = (
    "level",
    "bend",
    "warm_tokens",
    "warm_power",
    "warm_steps",
    "size_power",
    "family_tax",
    "floor",
    "alpha",
    "beta",
)
# Hoffmann et al. in the refit of Besiroglu et al.: nats per token.
_FLOOR, _A, _ALPHA, _B, _BETA = 1.8172, 482.01, 0.3478, 2085.43, 0.3658
PRIOR_AT_SCALE: Final = {"floor": _FLOOR, "alpha": _ALPHA, "beta": _BETA}
# The middle of their runs: there A / N^alpha and B / D^beta stay put when an exponent is varied.
_PIVOT_PARAMETERS, _PIVOT_TOKENS = 1e9, 2e10
_MILLION = 1e6


@dataclass(frozen=True, kw_only=True)
class Models:
    """Models whose losses are asked for together; each field one number or one for each model.

    Attributes:
        active, total: parameters without embeddings.
        tokens, steps: of the run.
        smallest: active parameters of the smallest size that the run trains.
        family: whether the run trains several sizes; `smallest` counts only there.
    """

    active: ArrayLike
    total: ArrayLike
    tokens: ArrayLike
    steps: ArrayLike
    smallest: ArrayLike
    family: ArrayLike


def models_of(points: Sequence[Point]) -> Models:
    """The models of `points`, in their order."""
    return Models(
        active=[point.active for point in points],
        total=[point.total for point in points],
        tokens=[point.tokens for point in points],
        steps=[point.steps for point in points],
        smallest=[point.smallest for point in points],
        family=[point.share < 1 for point in points],
    )


def curve(rows: Rows, models: Models) -> Rows:
    """Bits per byte of each model by each of some laws.

    Args:
        rows: (laws, len(NAMES)).
        models: what is asked for.

    Returns:
        (laws, models).
    """
    law = _columns(rows)
    of_parameters, kept, warm_tokens = _of_sizes(law, models)
    tokens, steps = kept * _row(models.tokens), kept * _row(models.steps)
    worth = tokens / (1 + warm_tokens / tokens + law["warm_steps"] / steps)
    x = of_parameters + _data_factor(law) / worth ** law["beta"]
    return np.asarray(law["level"] * (law["floor"] + law["bend"] * np.log1p(x / law["bend"])))


def tokens_until(rows: Rows, models: Models, bpb: float) -> Rows:
    """`curve` turned round: tokens after which each model reaches `bpb`, by each of some laws.

    Args:
        rows: (laws, len(NAMES)).
        models: what is asked for; of `tokens` and `steps` only their ratio, the batch, counts.
        bpb: bits per byte.

    Returns:
        (laws, models); infinite where no number of tokens suffices.
    """
    law = _columns(rows)
    of_parameters, kept, warm_tokens = _of_sizes(law, models)
    excess = np.maximum(0.0, bpb / law["level"] - law["floor"])
    x = law["bend"] * np.expm1(excess / law["bend"]) - of_parameters
    with np.errstate(divide="ignore", invalid="ignore"):
        worth = np.where(x > 0, (_data_factor(law) / x) ** (1 / law["beta"]), np.inf)
        warming = warm_tokens + law["warm_steps"] * _row(models.tokens) / _row(models.steps)
        # tokens / (1 + warming / tokens) = worth is a quadratic equation.
        root = worth * (1 + np.sqrt(1 + 4 * warming / worth)) / 2
    return np.asarray(np.where(x > 0, root, np.inf) / kept)


def _of_sizes(law: Mapping[str, Rows], models: Models) -> tuple[Rows, Rows, Rows]:
    """What sizes decide: A / N^alpha, the share of a run that is kept, tokens of warming up."""
    active, family = _row(models.active), _row(models.family)
    parameters = active * (_row(models.smallest) / active) ** (family * (1 - law["size_power"]))
    factor = _A * _PIVOT_PARAMETERS ** (law["alpha"] - _ALPHA)
    # A member is as sparse as it is, whatever size its loss is like.
    millions = parameters * _row(models.total) / active / _MILLION
    return (
        factor / parameters ** law["alpha"],
        1 - family * law["family_tax"],
        law["warm_tokens"] * millions ** law["warm_power"],
    )


def _data_factor(law: Mapping[str, Rows]) -> Rows:
    return np.asarray(_B * _PIVOT_TOKENS ** (law["beta"] - _BETA))


def _columns(rows: Rows) -> dict[str, Rows]:
    return dict(zip(NAMES, (column[:, None] for column in rows.T), strict=True))


def one_model(active: int, total: int, tokens: float, steps: float, smallest: int | None) -> Models:
    """A single model; `smallest` is None where it is trained alone."""
    return Models(
        active=active,
        total=total,
        tokens=tokens,
        steps=steps,
        smallest=active if smallest is None else smallest,
        family=smallest is not None,
    )


def _row(values: ArrayLike) -> Rows:
    return np.atleast_1d(np.asarray(values, dtype=np.float64))[None, :]
