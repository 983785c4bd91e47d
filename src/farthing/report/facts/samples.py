"""What members write, sampled once with a fixed seed when the page is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farthing.artifacts.scores import MemberScore
from farthing.model.supernet import Supernet
from farthing.stages.serve.continue_text import continue_text

MAX_TOKENS = 60
TEMPERATURE = 0.8
TOP_P = 0.95
SEED = 0
_MOST_MEMBERS = 3


@dataclass(frozen=True)
class Prompt:
    """The beginning of a text, and its language (a BCP 47 tag such as `en` or `zh`)."""

    language: str
    text: str


PROMPTS = (Prompt("en", "It was a dark night, and the old man"), Prompt("zh", "却说那日天色已晚"))


@dataclass(frozen=True)
class Sample:
    """One member's first continuation of one prompt."""

    label: str
    parameters: int
    prompt: Prompt
    text: str


def choose_members(members: Sequence[MemberScore]) -> list[MemberScore]:
    """The largest, the one in the middle and the smallest; fewer if there are fewer."""
    ordered = sorted(members, key=lambda member: (-member.total, -member.active))
    last = len(ordered) - 1
    places = sorted({round(last * part / (_MOST_MEMBERS - 1)) for part in range(_MOST_MEMBERS)})
    return [ordered[place] for place in places]


def write_samples(
    supernet: Supernet, members: Sequence[MemberScore], prompts: Sequence[Prompt]
) -> tuple[Sample, ...]:
    """One continuation of each prompt by each of `members`.

    Raises:
        ShapeError: the supernet does not hold a member.
    """
    return tuple(
        Sample(
            label=member.label,
            parameters=member.total,
            prompt=prompt,
            text=continue_text(
                supernet,
                prompt.text,
                shape=member.shape,
                max_tokens=MAX_TOKENS,
                temperature=TEMPERATURE,
                top_p=TOP_P,
                seed=SEED,
            ),
        )
        for prompt in prompts
        for member in members
    )
