"""Records that were refused and documents that were dropped, for whoever wants to look."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from farthing.artifacts.funnel import KEPT
from farthing.artifacts.storage import write_atomic
from farthing.documents.batch import SCHEMA
from farthing.documents.refusals import Refusals
from farthing.documents.refused import REFUSED_NAME
from farthing.stages.curate.phases.columns import Columns
from farthing.stages.curate.phases.decisions import Decisions

REJECTED_NAME = "rejected.parquet"

_SCHEMA = pa.schema([*SCHEMA, pa.field("step", pa.string()), pa.field("reason", pa.string())])


def write_refused(refusals: Refusals, directory: Path) -> None:
    """Write `refused.jsonl`: the first records refused for each reason, with file and line."""
    listed = [asdict(one) for reason in sorted(refusals.listed) for one in refusals.listed[reason]]
    text = "".join(json.dumps(row) + "\n" for row in listed)
    write_atomic(directory / REFUSED_NAME, text.encode())


def write_rejected(columns: Columns, decisions: Decisions, directory: Path) -> None:
    """Write `rejected.parquet` into a corpus' folder; texts are as they were measured: masked."""
    dropped = np.flatnonzero(decisions.codes != KEPT)
    with pq.ParquetWriter(directory / REJECTED_NAME, _SCHEMA, compression="zstd") as writer:
        for ordinals, batch in columns.rows(dropped, SCHEMA.names):
            fates = [decisions.names[code - 1] for code in decisions.codes[ordinals]]
            told = {
                "step": pa.array([fate.step for fate in fates]),
                "reason": pa.array([fate.reason for fate in fates]),
            }
            arrays = [told[n] if n in told else batch.column(n) for n in _SCHEMA.names]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA))
