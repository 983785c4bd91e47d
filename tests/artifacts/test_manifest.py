from __future__ import annotations

import json

import pytest

from farthing.artifacts.canonical import digest_file, digest_json
from farthing.artifacts.manifest import MANIFEST_NAME, read_manifest, verify_files, write_manifest
from farthing.errors import ArtifactError


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "deep" / "artifact"
    (folder / "part").mkdir(parents=True)
    (folder / "tokens.bin").write_bytes(b"tokens")
    (folder / "part" / "more.bin").write_bytes(b"more")
    write_manifest(folder, kind="corpus", input_key="k", detail={"a": 1})
    return folder


def _list(folder, name, digest):
    """Rewrite the manifest so that it lists one more file, with digests that hold."""
    path = folder / MANIFEST_NAME
    content = json.loads(path.read_text())
    content["files"][name] = digest
    content["content_digest"] = digest_json({key: content[key] for key in KEYS})
    path.write_text(json.dumps(content))


KEYS = ("kind", "files", "detail")


def test_what_was_written_reads_back_and_verifies(folder):
    manifest = read_manifest(folder, kind="corpus")
    assert sorted(manifest.files) == ["part/more.bin", "tokens.bin"]
    verify_files(folder, manifest)
    verify_files(folder, manifest, required=["tokens.bin", "part/more.bin"])


@pytest.mark.parametrize(
    "name", ["../../secret", "part/../../../secret", "..", "", ".", "./tokens.bin", "a//b", "a\\b"]
)
def test_a_name_that_does_not_stay_inside_the_folder_is_refused(folder, name):
    secret = folder.parent.parent / "secret"
    secret.write_bytes(b"secret")
    _list(folder, name, digest_file(secret))
    with pytest.raises(ArtifactError, match="does not stay inside the folder") as caught:
        read_manifest(folder, kind="corpus")
    assert str(folder) in caught.value.what


def test_an_absolute_name_is_refused(folder):
    secret = folder.parent / "secret"
    secret.write_bytes(b"secret")
    _list(folder, str(secret), digest_file(secret))
    with pytest.raises(ArtifactError, match="does not stay inside"):
        read_manifest(folder, kind="corpus")


def test_a_file_that_the_opener_reads_must_be_listed(folder):
    (folder / "model.bin").write_bytes(b"put in later")
    manifest = read_manifest(folder, kind="corpus")
    verify_files(folder, manifest)
    with pytest.raises(ArtifactError, match=r"does not list model\.bin"):
        verify_files(folder, manifest, required=["tokens.bin", "model.bin"])


def test_a_changed_or_missing_file_is_named(folder):
    manifest = read_manifest(folder, kind="corpus")
    (folder / "part" / "more.bin").write_bytes(b"mere")
    with pytest.raises(ArtifactError, match=r"part/more\.bin is corrupted"):
        verify_files(folder, manifest)
    (folder / "part" / "more.bin").unlink()
    with pytest.raises(ArtifactError, match=r"part/more\.bin is missing"):
        verify_files(folder, manifest)


def test_a_folder_of_another_kind_or_without_manifest_is_refused(folder):
    with pytest.raises(ArtifactError, match="is no supernet"):
        read_manifest(folder, kind="supernet")
    (folder / MANIFEST_NAME).unlink()
    with pytest.raises(ArtifactError, match="holds no finished corpus"):
        read_manifest(folder, kind="corpus")
