"""No test leaves a file open for the next."""

from __future__ import annotations

import pytest

from farthing.documents.readers import streams


@pytest.fixture(autouse=True)
def _no_file_stays_open():
    yield
    streams.release()
