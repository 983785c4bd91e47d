"""How the entries of a book name what a run read and what a plan inherits: by digests alone.

Walking from an artifact to the run that made it, and from that run's inputs to the runs that made
those, gives the whole lineage out of the book; an input that no run of the book made comes from
outside of it.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from farthing.artifacts.body import Body

InputRole = Literal["corpus", "tokenizer", "weights", "teacher", "generator", "supernet"]
InheritedRole = Literal["weights", "teacher", "generator"]


class InputRef(Body):
    """Something that a run read, and what for.

    Attributes:
        role: `corpus`: text to train or to be scored on. `tokenizer`: of that text, which came with
            a corpus and is no artifact of its own. `weights`: a model that is changed into what the
            run makes. `teacher`: a model whose predictions are learned from. `generator`: a model
            that wrote text. `supernet`: a model that is scored, searched or cut.
        digest: content digest of the artifact as it was read; of a tokenizer, its fingerprint.
    """

    kind_name: ClassVar[str] = "input"

    role: InputRole
    digest: str = Field(min_length=1)


class Inherited(Body):
    """An earlier model whose cost a plan takes over in part, signed before the work begins.

    Attributes:
        digest: of the earlier supernet.
        role: what the plan uses it for.
        share: the part of its cost that the plan's family carries in the amortised view.
    """

    kind_name: ClassVar[str] = "inherited"

    digest: str = Field(min_length=1)
    role: InheritedRole
    share: float = Field(ge=0, le=1)
