"""Enters runs into a book whose recorded work is chosen, not measured."""

from __future__ import annotations

from farthing.artifacts.entries import ArtifactRef, Evaluation, Extraction, Member, Plan
from farthing.artifacts.references import Inherited, InputRef
from farthing.artifacts.work import Work


def work_of(hours: float, tokens: int = 0, devices: int = 2) -> Work:
    """`hours` held of `devices` at 5 W each, half of the time busy on one."""
    return Work(
        wall_seconds=hours * 3600,
        device_seconds=hours * 3600 * devices,
        cpu_seconds=hours * 3600,
        tokens=tokens,
        flops=tokens * 10.0,
        optimizer_flops=0.0,
        joules=hours * 3600 * devices * 5.0,
        energy_method="tdp_model",
    )


class Enter:
    """Writes plans and runs into a book."""

    def __init__(self, book, meter):
        self.book = book
        self.meter = meter

    def plan(self, name, shares=(("A", 0.7), ("B", 0.3)), parent=None, inherits=()):
        """The digest of a plan's entry; `inherits` are triples of digest, role and share."""
        body = Plan(
            name=name,
            recipe={},
            recipe_digest="d",
            corpus_digest=None,
            parent=parent,
            inherits=tuple(Inherited(digest=d, role=r, share=s) for d, r, s in inherits),
            members=tuple(Member(shape=shape, share=share) for shape, share in shares),
        )
        return self.book.append(body).entry.digest

    def run(
        self,
        purpose,
        hours,
        *,
        plan=None,
        made=None,
        status="completed",
        scored=(),
        cut=(),
        reads=(),
        name="n",
        key="k",
        tokens=0,
    ):
        """The number of a run.

        `scored` holds supernet, shape and hours; `cut` the same and a digest; `reads` pairs of role
        and digest.
        """
        inputs = tuple(InputRef(role=role, digest=digest) for role, digest in reads)
        run = self.book.start_run(
            purpose, name, input_key=key, meter=self.meter, plan=plan, inputs=inputs
        )
        devices = self.meter.machine.devices
        for supernet, shape, part in scored:
            self.book.append(
                Evaluation(
                    run=run.number,
                    supernet=supernet,
                    shape=shape,
                    split="dev",
                    scores={"en": 1.0},
                    work=work_of(part, devices=devices),
                )
            )
        for supernet, shape, part, digest in cut:
            self.book.append(
                Extraction(
                    run=run.number,
                    supernet=supernet,
                    shape=shape,
                    artifact_digest=digest,
                    work=work_of(part, devices=devices),
                )
            )
        artifact = ArtifactRef(kind="x", digest=made) if made else None
        work = work_of(hours, tokens, devices)
        run._finish = lambda end: self.book.append(
            end.model_copy(update={"work": work, "artifact": artifact})
        )
        run.end(status, reason=None if status == "completed" else "why")
        return run.number
