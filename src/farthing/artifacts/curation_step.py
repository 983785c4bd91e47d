"""One step of a curation in the book: how much text came in and went out, and what it took."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from farthing.artifacts.body import Body


class CurationStep(Body):
    """What one step of curation did, as a part of its run ("of which"): never added to anything.

    Only processor time is told apart step by step: many steps look at one document while it is in
    the cache, in several processes. A step's part of the run's hours, energy and money is its part
    of the run's processor time, and an estimate.

    Attributes:
        run: whose part it is.
        step: its name, as in the corpus' funnel.
        documents_in, documents_out, bytes_in, bytes_out: text before and after it, of the corpus.
        tokens: of the text that went out, where it was tokenised by then; else None.
        cpu_seconds: of all processes of this run. What an attempt before had finished was that
            run's work and is not in it.
    """

    kind_name: ClassVar[str] = "curation.step"

    run: int = Field(ge=0)
    step: str = Field(min_length=1)
    documents_in: int = Field(ge=0)
    documents_out: int = Field(ge=0)
    bytes_in: int = Field(ge=0)
    bytes_out: int = Field(ge=0)
    tokens: int | None = Field(default=None, ge=0)
    cpu_seconds: float = Field(ge=0)

    @model_validator(mode="after")
    def _no_document_comes_of_nothing(self) -> Self:
        if self.documents_out > self.documents_in:
            raise ValueError(
                f"step {self.step}: {self.documents_in} documents came in, and "
                f"{self.documents_out} went out"
            )
        return self
