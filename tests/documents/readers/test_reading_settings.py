"""Settings of reading reach the readers, and a wrong column is told."""

from __future__ import annotations

import pytest

from farthing.artifacts.config import parse_config
from farthing.documents.readers.options import Reading
from farthing.errors import ConfigError
from farthing.stages.curate.settings.reading import ReadingConfig


def test_settings_are_handed_to_the_readers():
    data = {"columns": {"text": "content"}, "strict": True, "most_document_bytes": 5000}
    config = parse_config(ReadingConfig, data, where="here")
    assert config.reading() == Reading(
        columns={"text": "content"}, strict=True, most_document_bytes=5000
    )
    assert ReadingConfig().reading() == Reading()


def test_a_column_that_no_document_has_is_told():
    with pytest.raises(ConfigError, match="columns"):
        parse_config(ReadingConfig, {"columns": {"body": "content"}}, where="here")
