"""Members of every kind, extracted, and what farthing itself says that they compute.

    python tests/exports/make_cases.py FOLDER [--supernet DIRECTORY --shape 6L-4E-2K]

Runs in farthing's environment. Every expectation comes from the supernet at the member's shape,
never from the extracted copy; the checks beside this file read only what it writes:

    FOLDER/CASE/member/                   what `farthing extract` makes
    FOLDER/CASE/NAME-ENCODING.gguf
    FOLDER/CASE/expected.json             prompts, greedy tokens, bits per byte, token ids
    FOLDER/CASE/expected.safetensors      logits of every position of every prompt
    FOLDER/CASE/questions/                benchmarks, for one case (see questions.py)
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import torch
from kinds import KINDS, Kind, random_supernet
from questions import ask
from safetensors.torch import save_file
from texts import HELD_OUT, PLAIN_STRINGS, PROMPTS, SPECIAL_STRINGS

from farthing.model.generate import generate_tokens
from farthing.model.shape import Shape
from farthing.model.supernet import Supernet, open_supernet
from farthing.stages.evaluate.bits_per_byte import bits_per_byte
from farthing.stages.extract.gguf_file import write_gguf
from farthing.stages.extract.run import extract
from farthing.text.shards import TokenShard, write_shard
from farthing.text.tokenizer import Tokenizer

# Asked benchmarks too.
ASKED = "uniform"
GREEDY_TOKENS = 32
ENCODINGS = ("F32", "F16", "Q8_0")
# Two engines round differently: where the two likeliest tokens are closer, either may win.
MIN_GAP = 1e-3
SEEDS = 200


def main() -> None:
    """Make every case in the folder that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--supernet", type=Path, help="also a member of this trained supernet")
    parser.add_argument("--shape", help="of that member")
    arguments = parser.parse_args()
    for name, kind in KINDS.items():
        seed = make_random_case(arguments.folder / name, kind)
        print(f"{name}: {kind.shape}, seed {seed}", flush=True)
    if arguments.supernet:
        device = torch.device("cpu")
        supernet = open_supernet(arguments.supernet, kind="supernet", device=device)
        shape = Shape.parse(arguments.shape, supernet.model.config)
        describe(arguments.folder / "trained", supernet, shape, min_gap=0.0)
        print(f"trained: {shape}", flush=True)


def make_random_case(folder: Path, kind: Kind) -> int:
    """The first seed whose greedy tokens are beyond doubt at every step."""
    for seed in range(SEEDS):
        with tempfile.TemporaryDirectory() as parent:
            supernet = random_supernet(Path(parent), kind, seed)
            shape = Shape.parse(kind.shape, supernet.model.config)
            if describe(folder, supernet, shape, min_gap=MIN_GAP):
                assert_telling(folder)
                if folder.name == ASKED:
                    ask(folder / "questions", supernet, shape)
                return seed
    raise AssertionError(f"{kind} leaves a tie open with every seed below {SEEDS}")


def assert_telling(folder: Path) -> None:
    """A member that answers every prompt alike would pass for another."""
    asked = json.loads((folder / "expected.json").read_text(encoding="utf-8"))["prompts"]
    answers = [tuple(prompt["greedy"]) for prompt in asked.values()]
    assert len(set(answers)) == len(answers), f"{folder} continues two prompts alike"
    assert len({token for answer in answers for token in answer}) > GREEDY_TOKENS, folder


def describe(folder: Path, supernet: Supernet, shape: Shape, *, min_gap: float) -> bool:
    """Write one case; False, with nothing written, where two tokens are closer than `min_gap`."""
    tokenizer = Tokenizer.load(supernet.directory)
    asked = prompts(supernet, tokenizer)
    continued = {}
    for name, tokens in asked.items():
        continued[name] = greedy(supernet, shape, tokens)
        if min(continued[name]["gaps"], default=1.0) <= min_gap:
            return False
    with torch.no_grad():
        logits = {name: supernet.model(torch.tensor([asked[name]]), shape)[0] for name in asked}
    folder.mkdir(parents=True)
    extract(supernet, shape, directory=folder / "member", input_key="conformance", name=folder.name)
    for encoding in ENCODINGS:
        target = folder / f"{folder.name}-{encoding}.gguf"
        write_gguf(folder / "member", target, encoding, folder.name)
    save_file(logits, folder / "expected.safetensors")
    expected = {
        "shape": str(shape),
        "context": supernet.model.config.context,
        "prompts": {
            name: {
                "tokens": asked[name],
                **continued[name],
                "next_log_probs": logits[name][-1].log_softmax(-1).tolist(),
            }
            for name in asked
        },
        "held_out": held_out(supernet, shape, tokenizer),
        "plain_strings": token_ids(tokenizer, PLAIN_STRINGS),
        "special_strings": token_ids(tokenizer, SPECIAL_STRINGS),
        "special_ids": {
            "bos": tokenizer.end_of_text,
            "eos": tokenizer.end_of_text,
            "pad": tokenizer.pad,
        },
    }
    text = json.dumps(expected, ensure_ascii=False, indent=1)
    (folder / "expected.json").write_text(text + "\n", encoding="utf-8")
    return True


def prompts(supernet: Supernet, tokenizer: Tokenizer) -> dict[str, list[int]]:
    """Token ids of several lengths; the longest fill the context, before or after generation."""
    context = supernet.model.config.context
    longest = context - GREEDY_TOKENS
    texts = {
        name: [tokenizer.end_of_text, *tokenizer.encode(text)][:longest]
        for name, text in PROMPTS.items()
    }
    everything = [i for ids in texts.values() for i in ids[1:]]
    many = [tokenizer.end_of_text, *everything * (1 + context // len(everything))]
    middle = tokenizer.encode(PROMPTS["english"])[: longest // 2]
    return {
        **texts,
        "no opening token": middle,
        "up to the context": many[:longest],
        "whole context": many[:context],
    }


@torch.no_grad()
def greedy(supernet: Supernet, shape: Shape, prompt: list[int]) -> dict[str, list]:
    """The likeliest tokens one by one, and by how much each logit beats the next best.

    Each from a forward pass over everything before it: no cache, unlike what it is compared with.
    They end with `end_of_text`, where that comes first.
    """
    model = supernet.model
    room = min(GREEDY_TOKENS, model.config.context - len(prompt))
    found, gaps = [], []
    while len(found) < room and model.end_of_text not in found:
        best = model(torch.tensor([[*prompt, *found]]), shape)[0, -1].topk(2)
        found.append(int(best.indices[0]))
        gaps.append(float(best.values[0] - best.values[1]))
    if prompt[0] == model.end_of_text:
        sampled = generate_tokens(
            model, shape, prompt[1:], max_tokens=room, temperature=0, top_p=1.0, seed=0
        )
        assert list(sampled) == [token for token in found if token != model.end_of_text]
    return {"greedy": found, "gaps": gaps}


def held_out(supernet: Supernet, shape: Shape, tokenizer: Tokenizer) -> dict:
    """Documents longer and shorter than a window, and farthing's bits per byte of them."""
    documents = [(tokenizer.encode(text), len(text.encode())) for text in HELD_OUT]
    with tempfile.TemporaryDirectory() as folder:
        write_shard(
            Path(folder),
            documents,
            end_of_text=tokenizer.end_of_text,
            vocab_size=tokenizer.vocab_size,
        )
        shard = TokenShard.open(Path(folder))
        size = int(shard.byte_counts.sum())
        found = bits_per_byte(supernet.model, shape, shard, text_bytes=size, batch_sequences=4)
        return {"tokens": shard.tokens.tolist(), "text_bytes": size, "bits_per_byte": found}


def token_ids(tokenizer: Tokenizer, texts: list[str]) -> list[dict]:
    """Each text with farthing's token ids, no opening token."""
    ids = tokenizer.encode_batch(texts)
    return [{"text": text, "ids": found} for text, found in zip(texts, ids, strict=True)]


if __name__ == "__main__":
    main()
