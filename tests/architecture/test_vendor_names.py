"""No code but the catalogue and the kernels knows a maker of chips or its programming kit."""

import re

import pytest

VENDOR_WORDS = re.compile(
    "nvidia|nvml|cuda|cudnn|amd|rocm|hip|intel|mkl|xpu|apple|mps|ascend|npu|kunlun|cambricon|"
    "habana|gaudi|tpu|xeon|epyc|hopper|blackwell|ampere|geforce|radeon"
)
FREE = re.compile(r"hardware/|model/kernels")
# Names that the operating system gives, met nowhere else: (file, word).
ALLOWED: frozenset[tuple[str, str]] = frozenset()


def vendor_words_in(text):
    """The vendor words of `text`; an underscore, a dot and a capital end a word."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", text)
    return {word for word in re.split(r"[^a-z]+", spaced.lower()) if VENDOR_WORDS.fullmatch(word)}


def test_no_vendor_is_named_outside_the_catalogue_and_the_kernels(package):
    found = {
        (name, word)
        for path in sorted(package.rglob("*.py"))
        if not FREE.match(name := path.relative_to(package).as_posix())
        for word in vendor_words_in(path.read_text(encoding="utf-8"))
    }
    assert found == ALLOWED


@pytest.mark.parametrize(
    "text", ["torch.cuda.synchronize()", "is_rocm", "CudaEvent", "intel-rapl:0"]
)
def test_the_search_sees_a_vendor_in_every_spelling(text):
    assert vendor_words_in(text)


def test_the_search_leaves_other_words_alone():
    assert vendor_words_in("barracuda steps, samd, ship, intelligible") == set()
