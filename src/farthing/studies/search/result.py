"""What a search leaves: every member that it measured, and how the best one was judged.

searches/NAME-KEY/search.json        the search: importance, candidates, finalists
searches/NAME-verdict-KEY/verdict.json    the best against the best uniform member, on dev text
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from farthing.stages.evaluate.importance import Importance
from farthing.studies.search.config import SearchConfig

KIND = "search"
SEARCH_NAME = "search.json"
VERDICT_KIND = "search verdict"
VERDICT_NAME = "verdict.json"


class Candidate(BaseModel):
    """One measured member.

    Attributes:
        shape: canonical string.
        label: short name.
        typed: the shortest text that names it on the command line.
        origin: why it was measured: full, uniform, single, smallest or evolved.
        predicted_bpb: what the predictor said before; None for those measured before there was one.
        search_bpb: bits per byte on the search text.
        playoff_bpb: the same on the longer text that the finalists are chosen on; None for those
            that came no further.
        total, active: parameters.
        flops_per_token: forward FLOPs per token over one full context.
        weight_mib: MiB of its weights as it would be extracted.
        milliseconds: per token, measured here; None where it was not.
        fits: whether it keeps within the limit.
        extractable: whether it can leave its supernet.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: str
    label: str
    typed: str
    origin: str
    predicted_bpb: float | None
    search_bpb: float
    playoff_bpb: float | None
    total: int
    active: int
    flops_per_token: float
    weight_mib: float
    milliseconds: float | None
    fits: bool
    extractable: bool


class SearchResult(BaseModel):
    """A search.

    Attributes:
        supernet, corpus: content digests of what was searched, on what text.
        settings: what was asked for; `evaluations` is filled in.
        search_tokens, playoff_tokens: tokens that one measurement reads.
        importance: of layers and experts.
        candidates: every measured member, in the order of their measurement.
        finalists: shapes of the best members found that fit, the best first.
        uniform: the same of the uniform members.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    supernet: str
    corpus: str
    settings: SearchConfig
    search_tokens: int
    playoff_tokens: int
    importance: Importance
    candidates: tuple[Candidate, ...]
    finalists: tuple[str, ...]
    uniform: tuple[str, ...]

    def candidate(self, shape: str) -> Candidate:
        """The measured member with this shape."""
        return next(one for one in self.candidates if one.shape == shape)


class Verdict(BaseModel):
    """The best member found against the best uniform one, on text that the search never read.

    Attributes:
        supernet, corpus: content digests.
        split: which held-out text.
        shape, uniform: the two members.
        bpb, uniform_bpb: their bits per byte, the mean over the domains.
        difference_percent: of the uniform member's bits per byte; below 0 the one found is better.
        standard_error_percent: of the difference, paired over blocks of neighbouring windows; None
            where a domain has a single window.
        freedom: degrees of freedom of that error; None where it is None.
        windows: how many.
        blocks: into how many blocks they were cut.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    supernet: str
    corpus: str
    split: str
    shape: str
    uniform: str
    bpb: float
    uniform_bpb: float
    difference_percent: float
    standard_error_percent: float | None
    freedom: float | None
    windows: int
    blocks: int
