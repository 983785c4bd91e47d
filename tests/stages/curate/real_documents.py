"""The sample of real documents, by genre."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from pathlib import Path

import zstandard

SAMPLE = Path(__file__).parent / "sample" / "documents.jsonl.zst"


@cache
def documents_by_genre():
    texts = defaultdict(list)
    packed = zstandard.ZstdDecompressor().decompress(SAMPLE.read_bytes())
    for line in packed.decode("utf-8").splitlines():
        document = json.loads(line)
        texts[document["genre"]].append(document["text"])
    return dict(texts)
