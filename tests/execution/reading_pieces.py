"""Reading as the work of a phase, in a module that a worker can import."""

from __future__ import annotations

import pyarrow as pa

from farthing.documents.batch import SCHEMA
from farthing.documents.readers.options import Reading
from farthing.documents.readers.read import read_piece
from farthing.documents.refusals import Refusals
from farthing.execution.work import PieceWork


def keep(piece, directory, context, laps):
    """Write the piece's batches as they are."""
    refusals = Refusals()
    documents = 0
    with (
        pa.OSFile(str(directory / "kept.arrow"), "wb") as file,
        pa.ipc.new_file(file, SCHEMA) as out,
    ):
        for batch in read_piece(piece, context, refusals):
            laps("read")
            out.write_batch(batch)
            documents += batch.num_rows
            laps("write")
    return {"documents": documents, "refusals": refusals.to_json()}


def work():
    """Reading with the usual options."""
    return PieceWork(phase="read", function=keep, context=Reading(), settings={}, code="1")
