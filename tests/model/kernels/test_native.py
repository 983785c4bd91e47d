"""Calling compiled kernels: which tensors they take, and that no wrong argument reaches them."""

import ctypes
import re
import threading

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from farthing.errors import ConfigError
from farthing.model.kernels import native
from farthing.model.kernels.attention import attend
from farthing.model.kernels.compile import SOURCES
from farthing.model.kernels.cross_entropy import linear_cross_entropy
from farthing.model.kernels.expert_products import sorted_experts
from farthing.model.kernels.fp8 import fp8_grouped, fp8_linear
from farthing.model.kernels.heads import turned_heads
from farthing.model.kernels.native import (
    call,
    kernels_in_use,
    plain_forced,
    plain_kernels,
    prototypes,
    usable,
)
from farthing.model.kernels.norm import plain_rms_norm, rms_norm
from farthing.model.kernels.routing import route
from farthing.model.kernels.swiglu import swiglu

pytestmark = pytest.mark.usefixtures("compiled")


def test_compiled_kernels_are_for_what_they_know():
    assert kernels_in_use() == "compiled for this processor"
    assert usable(torch.zeros(1), torch.zeros(1, dtype=torch.bfloat16))
    for dtype in (torch.float64, torch.float16, torch.int64):
        assert not usable(torch.zeros(1), torch.zeros(1, dtype=dtype))
    assert not usable(torch.zeros(1), torch.zeros(1, device="meta"))


def test_under_autocast_its_dtype_counts_too():
    with torch.autocast("cpu", torch.bfloat16):
        assert usable(torch.zeros(1))
    with torch.autocast("cpu", torch.float16):
        assert not usable(torch.zeros(1))


def test_plain_kernels_nest_and_end():
    x = torch.zeros(1)
    with plain_kernels():
        with plain_kernels():
            assert not usable(x)
        assert not usable(x)
    assert usable(x)
    with pytest.raises(KeyError), plain_kernels():
        raise KeyError
    assert usable(x)


def test_plain_kernels_are_of_their_own_thread_alone():
    seen = []
    with plain_kernels():
        thread = threading.Thread(target=lambda: seen.append(usable(torch.zeros(1))))
        thread.start()
        thread.join()
    assert seen == [True]


def test_the_compiler_can_ask_whether_plain_kernels_are_in_force():
    @torch.compile(backend="eager", fullgraph=True)
    def compute(x):
        return x + 1 if plain_forced() else x - 1

    with plain_kernels():
        assert compute(torch.zeros(1)) == 1


def test_parameters_are_usable_and_other_kinds_of_tensors_are_not():
    class Marked(torch.Tensor):
        pass

    assert usable(nn.Parameter(torch.zeros(1)))
    assert not usable(torch.zeros(1).as_subclass(Marked))
    with FakeTensorMode():
        x, weight = torch.zeros(5, 40), torch.zeros(40)
        assert not usable(x)
        assert rms_norm(x, weight, 1e-5).shape == (5, 40)


def test_under_transforms_the_plain_path_is_taken():
    x, weight = torch.randn(3, 5, 40), torch.randn(40)
    ours = torch.vmap(lambda rows: rms_norm(rows, weight, 1e-5))(x)
    torch.testing.assert_close(ours, plain_rms_norm(x, weight, 1e-5))
    gradient = torch.func.grad(lambda rows: rms_norm(rows, weight, 1e-5).sum())(x)
    assert gradient.shape == x.shape


def test_every_exported_function_has_a_prototype_that_was_read():
    library, _ = native._library()
    found = prototypes(SOURCES)
    assert {"rms_norm_forward", "count_choices", "attention_backward"} <= found.keys()
    assert all(hasattr(library, name) for name in found)
    # What is not local to its file is called by name from here.
    for path in SOURCES.glob("*.c"):
        for line in re.findall(r"^[a-z]\w* .*\(.*", path.read_text(), re.MULTILINE):
            if not line.startswith(("static ", "typedef ")):
                assert re.search(r"(\w+)\(", line)[1] in found, line


def test_prototypes_are_read_as_they_are_written(tmp_path):
    (tmp_path / "one.c").write_text(
        "static void hidden(int x) {}\nINLINE void inlined(int x) {}\n"
        "i64 seen(const void *x,\n         float *y, i64 n, float eps, int bf16) { return 0; }\n"
    )
    pointer, numbers = native._Pointer, [ctypes.c_int64, ctypes.c_float, ctypes.c_int]
    assert prototypes(tmp_path) == {"seen": (ctypes.c_int64, [pointer, pointer, *numbers])}


def test_a_whole_number_in_the_place_of_a_fraction_is_converted():
    x, weight, rstd = torch.zeros(1, 4), torch.ones(4), torch.empty(1)
    call("rms_norm_forward", x, weight, torch.empty(1, 4), rstd, 1, 4, 4, False, False)
    assert rstd.item() == 0.5


@pytest.mark.parametrize(
    "arguments",
    [
        (torch.zeros(1, 8), torch.zeros(1, 4), 1, 4),
        (torch.zeros(1, 8), torch.zeros(1, 4), 1, 4, False, False),
        (torch.zeros(1, 8), torch.zeros(1, 4), 1.0, 4, False),
        (torch.zeros(1, 8), torch.zeros(1, 4), torch.zeros(1), 4, False),
        (torch.zeros(1, 8), 1, 1, 4, False),
        (torch.zeros(8, 1).expand(8, 8), torch.zeros(1, 4), 1, 4, False),
        (torch.zeros(1, 8, device="meta"), torch.zeros(1, 4), 1, 4, False),
    ],
    ids=["too few", "too many", "fraction", "tensor", "number", "not contiguous", "elsewhere"],
)
def test_arguments_that_do_not_fit_the_prototype_never_reach_the_kernel(arguments):
    with pytest.raises((AssertionError, ctypes.ArgumentError)):
        call("swiglu_forward", *arguments)


def _experts(x):
    ids, stack = torch.zeros(3, 1, dtype=torch.int64), torch.ones(1, 16, 16)
    return sorted_experts(x, ids, torch.ones(3, 1), stack, stack, stack)


def _heads(x):
    weight, table = torch.ones(4), torch.ones(3, 4)
    return turned_heads(x[None], weight, weight, (table, table), queries=2, eps=1e-5)[0]


ENDS = torch.tensor([3], dtype=torch.int32)


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: rms_norm(x, torch.ones(16), 1e-5),
        swiglu,
        _heads,
        _experts,
        lambda x: route(x, torch.zeros(16), 2, 1.0)[1],
        lambda x: linear_cross_entropy(x, torch.eye(16), torch.arange(3)),
        lambda x: attend(*(x.view(1, 3, 1, 16),) * 3, None),
        lambda x: fp8_linear(x, torch.eye(16)),
        lambda x: fp8_grouped(x, torch.eye(16)[None], ENDS),
    ],
    ids=["norm", "swiglu", "heads", "experts", "route", "loss", "attend", "fp8", "grouped fp8"],
)
def test_a_second_derivative_is_refused_instead_of_wrong(compute):
    x = torch.randn(3, 16, requires_grad=True)
    (gradient,) = torch.autograd.grad(compute(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        gradient.sum().backward()


def test_a_misspelt_switch_is_an_error_and_no_silent_default(monkeypatch):
    native._library.cache_clear()
    monkeypatch.setenv("FARTHING_KERNELS", "plian")
    with pytest.raises(ConfigError, match="FARTHING_KERNELS=plian") as caught:
        usable(torch.zeros(1))
    assert "FARTHING_KERNELS=plain" in caught.value.remedy
    # An error is not remembered: the next test finds the library.
    monkeypatch.delenv("FARTHING_KERNELS")
    assert usable(torch.zeros(1))
