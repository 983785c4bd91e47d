"""What a draft pins of the software: the code and packages that decide a result."""

from __future__ import annotations

from dataclasses import dataclass

from farthing.artifacts.claims.entries import ClaimDraft
from farthing.artifacts.claims.packages import commit_of_source, installed
from farthing.artifacts.code_version import code_version
from farthing.errors import ConfigError

# Of these rooms the code can change what training or evaluation gives. The corpus is pinned by its
# content: which code made it decides nothing any more.
ROOMS = ("artifacts", "text", "model", "cost", "stages/train", "stages/evaluate")


@dataclass(frozen=True)
class Software:
    """What runs here; fields as those of `ClaimDraft`."""

    code: str
    commit: str | None
    packages: dict[str, str]


def software_here() -> Software:
    """Of the farthing that is running."""
    return Software(code_version(ROOMS), commit_of_source(), installed())


def check_software(draft: ClaimDraft, here: Software) -> None:
    """Nothing of a claim runs with other code or packages than its draft names.

    Raises:
        ConfigError: naming what differs.
    """
    differing = [
        f"{name} {draft.packages.get(name, 'not installed')} in the draft, "
        f"{here.packages.get(name, 'not installed')} here"
        for name in sorted({*draft.packages, *here.packages})
        if draft.packages.get(name) != here.packages.get(name)
    ]
    if draft.code != here.code:
        at = f" (commit {draft.commit})" if draft.commit else ""
        differing.insert(0, f"code {draft.code[:16]}{at} in the draft, {here.code[:16]} here")
    if differing:
        raise ConfigError(
            f"the claim {draft.name} was drafted with other software: {'; '.join(differing)}",
            remedy="go on with what the draft names, or draft a claim under another name",
        )
