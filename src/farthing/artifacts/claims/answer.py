"""What the claimant releases when a verifier's nonce has chosen segments."""

from __future__ import annotations

from pydantic import Field

from farthing.artifacts.claims.entries import Digest, Nonce
from farthing.artifacts.claims.statement import FileFacts, Frozen


class ReleasedSegment(Frozen):
    """A segment that can be replayed from what the answer holds.

    Attributes:
        run: of the book.
        first_step, last_step: as the book's segment says.
        why: how it was chosen, as `selection` names it.
        begin: folder of the checkpoint before `first_step`; None where the run begins there with
            what its seed makes.
        end: folder of the checkpoint after `last_step`.
        routes: file of the expert choices of every step (safetensors), or None without experts.
    """

    run: int
    first_step: int
    last_step: int
    why: tuple[str, ...] = Field(min_length=1)
    begin: str | None
    end: str
    routes: str | None


class Answer(Frozen):
    """The predicate of an answer.

    Attributes:
        claim: digest of the claim's statement (`dsse` payload).
        nonce: that the verifier drew.
        drawn: how many segments were to be drawn, beside those that are always looked at.
        segments: every one chosen.
        models: run that made it -> folder of the supernet, of every claimed run.
        corpus: folder of the corpus, or None where the verifier has it or makes it.
        files: of the bundle, beside the statement itself.
    """

    version: int
    claim: Digest
    nonce: Nonce
    drawn: int = Field(ge=0)
    segments: tuple[ReleasedSegment, ...]
    models: dict[str, str]
    corpus: str | None
    files: dict[str, FileFacts]
