"""How far two honest computations may be apart: the bounds, and what they rest on.

Measured by `bench/claims/tolerance.py` on the default sparse recipe in fp32
(docs/results/tolerance.json): 20 steps in the middle of `quickstart`, expert choices forced. Honest
is another number of threads, torch's own operators, or both. Of what was forged the least visible
are rates that are a thousandth too high (1,300 times as far off as any honest replay) and weights
that begin off by 1e-5 of their spread (80 times; 110 times in the worst tensor). Without forced
choices an honest replay is off by as much as the latter.
"""

from __future__ import annotations

from dataclasses import dataclass

from farthing.stages.train.replay import Distance
from farthing.stages.train.routes import Routes

# Difference of the weights over their claimed change, all weights together. Honest: 7e-7; noise of
# 1e-5: 6e-5; rates: 1e-3.
MOST_OVERALL = 2e-5
# The same of the tensor that is farthest off. Honest: 4e-6; noise: 4e-4; rates: 2e-3.
MOST_WORST = 1e-4
# The first, of a segment that begins with the seed. Output matrices begin at zero: the first
# gradients of what stands before them are rounding, which AdamW's division by their root mean
# square makes as large as any. Honest: 3e-4, nearly all in the embedding, and without bound in a
# tensor that hardly moves: none is looked at alone. Losses are held to the bound of all segments.
MOST_FROM_THE_SEED = 1e-3
# Where rates are so small that weights hardly change, rounding is a larger share of the change. So
# near, relative to the weights themselves, nothing else is asked: single precision rounds to 6e-8.
MOST_OF_WEIGHTS = 2e-7
# Difference of the optimizer's moments over these moments. Honest: 6e-7; rates: 8e-4.
MOST_OPTIMIZER = 2e-5
# Of the loss of any step, in nats. Honest: 5e-7; rates: 2e-4.
MOST_LOSS_NATS = 1e-5
# A forced choice that would not have been made must have been this near a tie, in scores of 0 to 1.
# Honest: 0, a tie to the last bit; rates: 7e-5.
MOST_GAP = 1e-5
# Of the bits per byte of one domain, relative. No choices are forced there, and the text is so long
# that the few tokens that move weigh little. Honest: 3e-8.
MOST_SCORE_SHARE = 1e-4


@dataclass(frozen=True)
class Gate:
    """One bound and what was found."""

    name: str
    found: float
    most: float

    @property
    def holds(self) -> bool:
        """A figure that is no number holds nothing."""
        return self.found <= self.most

    def __str__(self) -> str:
        sign = "<=" if self.holds else "ABOVE"
        return f"{self.name} {self.found:.2g} ({sign} {self.most:g})"


def gates(found: Distance, routes: Routes | None, *, from_seed: bool = False) -> list[Gate]:
    """Every bound on a replay elsewhere.

    Args:
        found: how far its end is from the claimed one.
        routes: the choices that were forced, if the model has experts.
        from_seed: whether nothing but what the seed makes stood before the steps.
    """
    if found.of_weights <= MOST_OF_WEIGHTS:
        listed = [Gate("weights, of their size,", found.of_weights, MOST_OF_WEIGHTS)]
    elif from_seed:
        listed = [Gate("weights", found.overall, MOST_FROM_THE_SEED)]
    else:
        listed = [
            Gate("weights", found.overall, MOST_OVERALL),
            Gate(f"worst weight {found.worst_name}", found.worst, MOST_WORST),
        ]
    listed.append(Gate("optimizer", found.optimizer, MOST_OPTIMIZER))
    if found.loss is not None:
        listed.append(Gate("loss", found.loss, MOST_LOSS_NATS))
    if routes is not None:
        listed.append(Gate("distance of a moved choice from a tie", routes.worst_gap, MOST_GAP))
    return listed
