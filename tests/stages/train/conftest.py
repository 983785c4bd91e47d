"""A corpus of random letters, small enough to train on in a test."""

from __future__ import annotations

import pytest
import torch

from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.run import curate
from farthing.text.corpus import Corpus


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("training")
    text = folder / "text"
    text.mkdir()
    words = torch.randint(97, 123, (12, 3000), generator=torch.Generator().manual_seed(1))
    for number, row in enumerate(words):
        (text / f"{number}.txt").write_bytes(bytes(row.tolist()))
    config = CurateConfig(
        sources=(str(text),), until="raw", workers=1, tokenizer="bytes", held_out_share=0.1
    )
    return curate(config, folder / "corpus", "key").corpus
