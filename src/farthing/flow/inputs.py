"""What the runs of each stage read, as their starts name it in the book.

These say where an artifact comes from; what decides whether it is made again is its input key. So
each digest is that of the whole artifact, with what an input key leaves out (a member's card).
"""

from __future__ import annotations

from farthing.artifacts.references import InputRef
from farthing.model.supernet import Supernet
from farthing.stages.train.start.begin import Start
from farthing.text.corpus import Corpus


def training_inputs(corpus: Corpus, start: Start | None) -> tuple[InputRef, ...]:
    """Of a training run: its text, and the model that it starts from or learns from."""
    text = (
        InputRef(role="corpus", digest=corpus.digest),
        InputRef(role="tokenizer", digest=corpus.tokenizer.fingerprint),
    )
    if start is None:
        return text
    source = start.source.supernet.digest
    weights = InputRef(role="weights", digest=source)
    if start.config.distill is None:
        return (*text, weights)
    return (*text, weights, InputRef(role="teacher", digest=source))


def model_inputs(supernet: Supernet, corpus: Corpus | None = None) -> tuple[InputRef, ...]:
    """Of a run that scores, searches or cuts a model; with the text that it does so on."""
    model = InputRef(role="supernet", digest=supernet.digest)
    return (model,) if corpus is None else (model, InputRef(role="corpus", digest=corpus.digest))
