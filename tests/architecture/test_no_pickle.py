"""Nothing that a user may receive from others is unpickled (docs/decisions/0002)."""

import ast

import pytest

PICKLERS = frozenset(
    [
        "pickle",
        "cPickle",
        "_pickle",
        "cloudpickle",
        "dill",
        "joblib",
        "shelve",
        "marshal",
        "torch.distributed.checkpoint",
    ]
)


def _is_pickler(module):
    return any(module == name or module.startswith(f"{name}.") for name in PICKLERS)


def _keyword_is(call, name, value):
    return any(
        word.arg == name and isinstance(word.value, ast.Constant) and word.value.value is value
        for word in call.keywords
    )


def pickling_in(tree):
    """Descriptions of every import or call in `tree` that reads or writes a pickle."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _is_pickler(alias.name))
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            yield from (name for name in names if _is_pickler(name))
            if node.module == "torch":
                yield from (a.name for a in node.names if a.name in {"load", "save"})
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called == "torch.save":
                yield called
            elif called == "torch.load" and not _keyword_is(node, "weights_only", True):
                yield "torch.load without weights_only=True"
            elif _keyword_is(node, "allow_pickle", True):
                yield f"{called}(allow_pickle=True)"


def test_the_package_neither_reads_nor_writes_pickles(package_trees):
    found = {name: list(pickling_in(tree)) for name, tree in package_trees.items()}
    assert {name: uses for name, uses in found.items() if uses} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import torch.distributed.checkpoint as dcp",
        "from torch.distributed import checkpoint",
        "from torch import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=flag)",
        "torch.save(state, path)",
        "np.load(path, allow_pickle=True)",
    ],
)
def test_the_search_sees_every_way_to_pickle(source):
    assert list(pickling_in(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path, weights_only=True)",
        "np.load(path)",
        "from safetensors.torch import save_file",
    ],
)
def test_the_search_leaves_safe_reading_alone(source):
    assert list(pickling_in(ast.parse(source))) == []
