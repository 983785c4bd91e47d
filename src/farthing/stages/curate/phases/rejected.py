"""The documents that were dropped, with the step and the reason, for whoever wants to look."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from farthing.artifacts.funnel import KEPT
from farthing.documents.batch import SCHEMA
from farthing.stages.curate.phases.columns import Columns
from farthing.stages.curate.phases.decisions import Decisions

REJECTED_NAME = "rejected.parquet"

_SCHEMA = pa.schema([*SCHEMA, pa.field("step", pa.string()), pa.field("reason", pa.string())])


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
