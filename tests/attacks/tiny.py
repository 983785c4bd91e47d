"""The tiny claim as a verifier holds it: opened, extracted, and ready to be computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from claim_example import VERIFIER_NONCE, Example

from farthing.artifacts.claims.selection import Chosen
from farthing.artifacts.manifest import read_manifest, write_manifest
from farthing.flow.verification.released import Released
from farthing.stages.verify.claim.answering import check_answer, open_answer, read_steps
from farthing.stages.verify.claim.check import check_claim
from farthing.stages.verify.claim.opening import open_claim


@dataclass(frozen=True)
class Held:
    """An answer in a folder, and the segments that it was asked for."""

    released: Released
    chosen: tuple[Chosen, ...]

    def on_other_text(self, folder: Path, change: Callable[[Path], dict[str, object]]) -> Released:
        """As if the draft had registered another corpus, and all had been trained on that.

        Args:
            folder: the corpus, copied there.
            change: changes files in it, and returns what its manifest says further.
        """
        old = read_manifest(folder, kind="corpus")
        more = change(folder)
        detail = {**old.detail, **more}
        write_manifest(folder, kind="corpus", input_key=old.input_key, detail=detail)
        digest = read_manifest(folder, kind="corpus").content_digest
        draft = self.released.draft.model_copy(update={"corpus_digest": digest})
        return replace(self.released, corpus_folder=folder, draft=draft)


@contextmanager
def held(example: Example, answer: Path, folder: Path) -> Iterator[Held]:
    """Open claim and answer as `farthing verify` does."""
    with open_claim(example.bundle) as opened:
        checked = check_claim(opened)
        assert checked.ok
        assert checked.book is not None
        assert checked.registered is not None
        with open_answer(answer, public_key=opened.public_key, most_gib=1) as found:
            chosen, findings = check_answer(found, checked, nonce=VERIFIER_NONCE, drawn=0)
            assert all(finding.ok for finding in findings), findings
            found.bundle.extract(found.bundle.names, folder)
            released = Released(
                folder=folder,
                answer=found.answer,
                claim=opened.claim,
                draft=checked.registered.draft,
                book=checked.book,
                trainings=checked.trainings,
                steps=read_steps(checked),
                corpus_folder=folder / "corpus",
            )
            yield Held(released, chosen)


def learn_the_test(corpus: Path, *, every: int | None = None) -> dict[str, object]:
    """Training text gives way to the text that is scored.

    Args:
        corpus: the folder.
        every: which byte of it is another, so that it is no longer word for word the same.
    """
    held_out = np.fromfile(corpus / "dev/und/tokens.bin", dtype="<u2")
    starts = np.load(corpus / "dev/und/starts.npy")
    own = np.fromfile(corpus / "train/und/tokens.bin", dtype="<u2")
    first = np.load(corpus / "train/und/starts.npy")
    # In the place of what stood there, so that no index need change.
    document = held_out[1 : starts[1]][: first[1] - 1].copy()
    if every is not None:
        document[::every] = ord("#")
    own[1 : 1 + len(document)] = document
    own.tofile(corpus / "train/und/tokens.bin")
    return {}


def say_more_bytes(corpus: Path) -> dict[str, object]:
    """The scored text is said to be twice as long: half of the bits for each byte."""
    detail = read_manifest(corpus, kind="corpus").detail
    splits = {name: dict(domains) for name, domains in detail["splits"].items()}
    for domain, facts in splits["dev"].items():
        splits["dev"][domain] = {**facts, "bytes": 2 * facts["bytes"]}
    return {"splits": splits}
