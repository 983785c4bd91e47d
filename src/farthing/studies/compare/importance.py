"""Importance of a run's layers and experts, measured in a booked run of its own."""

from __future__ import annotations

from pathlib import Path

from farthing.artifacts.manifest import Manifest, read_manifest, verify_files, write_manifest
from farthing.artifacts.storage import staged_directory
from farthing.cost.flops import forward_flops
from farthing.flow.inputs import model_inputs
from farthing.flow.under_plan import made_under_plan
from farthing.ledger.journal import RunRecorder
from farthing.model.shape import Shape
from farthing.model.supernet import Supernet
from farthing.session import Job, Session, input_key
from farthing.stages.evaluate.calibration import unread_texts
from farthing.stages.evaluate.importance import Importance, measure_importance
from farthing.text.corpus import Corpus

_KIND = "importance"
_FILE = "importance.json"
_CODE = ("artifacts", "text", "model", "cost", "stages/evaluate")


def booked_importance(
    supernet: Supernet, corpus: Corpus, session: Session, *, sequences: int
) -> Importance:
    """Measure it on the next training text, which the model has not read, or find it measured.

    Args:
        supernet: what is measured.
        corpus: that it was trained on.
        session: of its workspace.
        sequences: windows of text.

    Raises:
        ArtifactError: the supernet does not say which text it was trained on.
        CorpusError: no domain has enough text.
    """
    inputs = {"supernet": supernet.digest, "corpus": corpus.digest}
    key = input_key("importance", sequences, inputs, _CODE)
    read = model_inputs(supernet, corpus)
    job = Job("evaluation", "importance", "importance", _KIND, key, inputs=read)
    model = supernet.model

    def make(place: Path, recorder: RunRecorder) -> Manifest:
        (text,) = unread_texts(supernet, corpus, [sequences])

        def on_pass(shape: Shape, tokens: int) -> None:
            flops = forward_flops(
                model.config,
                model.vocab_size,
                shape,
                tokens=tokens,
                attended_pairs=text.attended_pairs,
            )
            recorder.beat("importance", None, tokens=tokens, flops=float(flops))

        measured = measure_importance(model, text, on_pass=on_pass)
        with staged_directory(place) as staged:
            content = measured.model_dump_json(indent=1) + "\n"
            (staged / _FILE).write_text(content, encoding="utf-8")
            return write_manifest(staged, kind=_KIND, input_key=key, detail=inputs)

    place = made_under_plan(supernet.digest, job, session, make, rerun=False)
    verify_files(place, read_manifest(place, kind=_KIND), required=(_FILE,))
    return Importance.model_validate_json((place / _FILE).read_bytes())
