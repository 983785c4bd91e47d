"""Which artifact a place means: by folder, start of a name, shape, or digest."""

import pytest
from entering import Enter

from farthing.artifacts.manifest import write_manifest
from farthing.errors import UsageError
from farthing.ledger.accounts import collect_runs
from farthing.ledger.place import find_artifact
from farthing.ledger.tree import CostTree


@pytest.fixture
def tree(book, meter, workspace):
    """Two members of a family, each with its folder."""
    enter = Enter(book, meter)
    for shape in ("3L-4E-1K", "4L-8E-2K"):
        folder = workspace.root / "models" / f"tiny-{shape}-0123456789"
        folder.mkdir(parents=True)
        (folder / "weights").write_text(shape, encoding="utf-8")
        made = write_manifest(folder, kind="member", input_key=shape, detail={})
        enter.run("extraction", 1, made=made.content_digest)
    return CostTree(book.records, collect_runs(workspace, book.records))


@pytest.mark.parametrize("place", ["tiny-4L-8E-2K-0123456789", "tiny-4L", "4L-8E-2K"])
def test_a_name_its_start_and_a_shape_mean_the_member(workspace, tree, place):
    folder = workspace.root / "models" / "tiny-4L-8E-2K-0123456789"
    assert find_artifact(place, workspace, tree) == find_artifact(str(folder), workspace, tree)


def test_what_fits_none_or_several_is_refused_with_the_folders_to_choose_from(workspace, tree):
    for place, count in (("5L-8E-2K", 0), ("tiny", 2)):
        with pytest.raises(UsageError, match=f"{count} artifacts") as refused:
            find_artifact(place, workspace, tree)
        assert "models/tiny-3L-4E-1K-0123456789" in refused.value.remedy
        assert "models/tiny-4L-8E-2K-0123456789" in refused.value.remedy
