"""The verdict on a claim: what was found by level, what that proves, and what it cannot.

As text for people, as JSON, and as a DSSE envelope around an in-toto statement, signed with the
key of whoever verified: other tools can ask who believed which claim, and up to which level.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from farthing.artifacts.chain import Signer
from farthing.artifacts.claims.dsse import sign_statement
from farthing.artifacts.claims.statement import STATEMENT_TYPE, VERDICT_TYPE
from farthing.stages.verify.finding import Finding

VERDICT_VERSION = 1


@dataclass(frozen=True)
class Meaning:
    """What a level says.

    Attributes:
        title: in a word.
        proves: if everything in it holds.
        cannot: what it leaves open.
    """

    title: str
    proves: str
    cannot: str


MEANINGS: dict[int, Meaning] = {
    0: Meaning(
        "signatures and chain",
        "The bundle is, to the last bit, what the holder of this key signed: no entry was changed, "
        "left out or moved since, and all checkpoints were fixed before your nonce was drawn.",
        "Whether anything in it is true, who holds the key, and when it was written, unless an "
        "anchor outside says so.",
    ),
    1: Meaning(
        "recount",
        "Every figure follows from the signed book: the plan stands before the runs, the seeds "
        "follow from draft and nonce, tokens, FLOPs, hours, energy, prices, bounds and ratios come "
        "out again, and no machine would have had to do the impossible.",
        "Whether the runs took place: numbers that fit together can be invented. Compute that "
        "was never logged leaves no trace.",
    ),
    2: Meaning(
        "re-evaluation",
        "The released models score what the claim says they score, here and by the pinned code.",
        "How the models came to be and what they cost; and, without a fresh text of yours, "
        "whether the scored text was trained on.",
    ),
    3: Meaning(
        "replay",
        "The replayed segments were trained as booked, from the checkpoints that were fixed before "
        "your nonce: a claim with a tenth of its segments forged passes 29 drawn ones in fewer "
        "than one case of twenty.",
        "The segments that were not drawn, training that was never booked, and differences smaller "
        "than the stated tolerance where the machine is another.",
    ),
    4: Meaning(
        "full re-run",
        "One seed of the method and one of the baseline, trained again from the beginning, end "
        "where the claim says.",
        "The other seeds, what was spent before the draft, and hours and energy of the "
        "claimant's machine.",
    ),
}


@dataclass(frozen=True)
class ClaimVerdict:
    """All findings on a claim.

    Attributes:
        name: of the claim.
        claim: digest of its statement.
        key: fingerprint of the key that signed it.
        findings: of all levels that were checked.
        seconds: of the processor, by level that was checked.
        replayed: segments that were replayed, and of how many; None below level 3.
        answer: digest of the answer's statement; None without one.
        nonce: that the verifier drew; None without one.
    """

    name: str
    claim: str
    key: str
    findings: tuple[Finding, ...]
    seconds: Mapping[int, float]
    replayed: tuple[int, int] | None = None
    answer: str | None = None
    nonce: str | None = None

    @property
    def ok(self) -> bool:
        """Whether every check held."""
        return all(finding.ok for finding in self.findings)

    @property
    def wording(self) -> str:
        """How the claim may be called on the strength of this."""
        if not self.ok:
            return "refuted: do not repeat it"
        level = max(self.seconds, default=0)
        if level < 2:
            return "self-reported"
        if level == 2 or (level == 3 and self.replayed is None):
            return "re-evaluated"
        if level == 3 and self.replayed is not None:
            return f"partially replayed {self.replayed[0]}/{self.replayed[1]}"
        return "reproduced"

    def lines(self) -> list[str]:
        """For people: each level with its findings, then the wording."""
        found = [f"claim {self.name}, statement {self.claim}", f"signed by {self.key}"]
        for level in sorted(self.seconds):
            meaning = MEANINGS[level]
            own = self.at(level)
            state = "holds" if all(each.ok for each in own) else "FAILS"
            seconds = self.seconds[level]
            found += ["", f"Level {level}, {meaning.title}: {state} ({seconds:.1f} CPU-seconds)"]
            found += [_line(finding) for finding in own]
            found += [f"  proves: {meaning.proves}", f"  cannot: {meaning.cannot}"]
        return [*found, "", f"verdict: {self.wording}"]

    def at(self, level: int) -> list[Finding]:
        """The findings of a level; what fails last."""
        own = [finding for finding in self.findings if finding.level == level]
        return sorted(own, key=lambda finding: not finding.ok)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "version": VERDICT_VERSION,
            "ok": self.ok,
            "wording": self.wording,
            "name": self.name,
            "claim": self.claim,
            "key": self.key,
            "answer": self.answer,
            "nonce": self.nonce,
            "levels": [self._level(level) for level in sorted(self.seconds)],
            "findings": [vars(finding) for finding in self.findings],
        }

    def sign(self, signer: Signer, *, time: str, farthing_version: str) -> bytes:
        """The envelope that whoever verified hands on.

        Args:
            signer: the verifier's key.
            time: UTC, by his clock.
            farthing_version: that verified.
        """
        predicate = {
            **self.to_json(),
            "time": time,
            "verifier": {
                "key": signer.fingerprint,
                "public_key": signer.public.hex(),
                "farthing_version": farthing_version,
            },
        }
        return sign_statement(
            signer,
            {
                "_type": STATEMENT_TYPE,
                "subject": [{"name": self.name, "digest": {"sha256": self.claim}}],
                "predicateType": VERDICT_TYPE,
                "predicate": predicate,
            },
        )

    def _level(self, level: int) -> dict[str, Any]:
        meaning, own = MEANINGS[level], self.at(level)
        return {
            "level": level,
            "title": meaning.title,
            "ok": all(finding.ok for finding in own),
            "checks": len(own),
            "cpu_seconds": round(self.seconds[level], 3),
            "proves": meaning.proves,
            "cannot": meaning.cannot,
        }


def _line(finding: Finding) -> str:
    mark = "ok   " if finding.ok else "WRONG"
    return f"  {mark} {finding.check}: {finding.detail} ({finding.where})"
