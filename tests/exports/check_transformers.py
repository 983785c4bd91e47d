"""Does plain transformers, with no code of ours, compute what the supernet computes?

    ENVIRONMENT/bin/python tests/exports/check_transformers.py CASES

Reads what make_cases.py wrote. Exits 1 if any row of the table fails.
"""

import math
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from report import Case, Report, open_cases
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

MAX_LOGIT_DIFFERENCE = 1e-4
MAX_BITS_DIFFERENCE = 1e-5


def main() -> int:
    """Check every case; return the exit code."""
    print(f"transformers {transformers.__version__}, torch {torch.__version__}")
    disable_progress_bar()
    report = Report()
    for case in open_cases(Path(sys.argv[1])):
        model = load(case, report)
        check_logits(case, model, report)
        check_greedy(case, model, report)
        check_bits_per_byte(case, model, report)
        check_generation_config(case, model, report)
        check_tokenizer(case, report)
    return report.close()


def load(case: Case, report: Report):
    """The model, as a stranger would load it."""
    # transformers 4.57 takes the new name of this argument too.
    model, info = AutoModelForCausalLM.from_pretrained(
        case.member, dtype=torch.float32, output_loading_info=True
    )
    problems = {what: sorted(found) for what, found in info.items() if found}
    report.equal(case.name, "keys when loading", problems, {})
    return model.eval()


@torch.no_grad()
def check_logits(case: Case, model, report: Report) -> None:
    """Every position of every prompt."""
    differences = [
        float((model(prompt(case, name)).logits[0] - expected).abs().max())
        for name, expected in load_file(case.expected_tensors).items()
    ]
    report.below(case.name, "logits, max difference", max(differences), MAX_LOGIT_DIFFERENCE)


def check_greedy(case: Case, model, report: Report) -> None:
    """The same tokens from `generate`, which goes through its own cache."""
    wrong, count = [], 0
    for name, asked in case.expected["prompts"].items():
        if not asked["greedy"]:
            continue
        tokens = prompt(case, name)
        out = model.generate(
            tokens,
            attention_mask=torch.ones_like(tokens),
            do_sample=False,
            max_new_tokens=len(asked["greedy"]),
        )
        count += len(asked["greedy"])
        if out[0, tokens.shape[1] :].tolist() != asked["greedy"]:
            wrong.append(name)
    report.add(case.name, "greedy tokens", not wrong, f"{count} tokens, wrong in {wrong}")


@torch.no_grad()
def check_bits_per_byte(case: Case, model, report: Report) -> None:
    """farthing's windows, but each document's part of a window on its own: no mask is needed."""
    text = case.expected["held_out"]
    tokens, context = text["tokens"], case.expected["context"]
    opening = case.expected["special_ids"]["bos"]
    nats = 0.0
    for start in range(0, len(tokens) - 1, context):
        window = tokens[start : start + context + 1]
        for inputs, targets in parts(window[:-1], window[1:], opening):
            logits = model(torch.tensor([inputs])).logits[0].double()
            wanted = torch.tensor(targets)
            losses = torch.nn.functional.cross_entropy(logits, wanted, reduction="none")
            nats += float(losses[wanted != opening].sum())
    found = nats / math.log(2) / text["text_bytes"]
    difference = abs(found / text["bits_per_byte"] - 1)
    report.below(case.name, "bits per byte, relative", difference, MAX_BITS_DIFFERENCE)


def parts(inputs: list, targets: list, opening: int):
    """Cut a window before each token that opens a document."""
    cuts = [i for i, token in enumerate(inputs) if token == opening and i] + [len(inputs)]
    start = 0
    for cut in cuts:
        yield inputs[start:cut], targets[start:cut]
        start = cut


def check_generation_config(case: Case, model, report: Report) -> None:
    """What `generate` stops at and pads with, unless told otherwise."""
    found = model.generation_config
    ids = {"bos": found.bos_token_id, "eos": found.eos_token_id, "pad": found.pad_token_id}
    report.equal(case.name, "generation_config", ids, case.expected["special_ids"])


def check_tokenizer(case: Case, report: Report) -> None:
    """The same ids as farthing, an opening token by default, and the text back."""
    tokenizer = AutoTokenizer.from_pretrained(case.member)
    opening = case.expected["special_ids"]["bos"]
    plain = case.expected["plain_strings"]
    wrong = [
        entry["text"]
        for entry in plain
        if tokenizer(entry["text"], add_special_tokens=False)["input_ids"] != entry["ids"]
        or tokenizer(entry["text"])["input_ids"] != [opening, *entry["ids"]]
    ]
    report.equal(case.name, "token ids", wrong, [])
    special = case.expected["special_strings"]
    wrong = [
        entry["text"]
        for entry in special
        if tokenizer(entry["text"], add_special_tokens=False, split_special_tokens=True)[
            "input_ids"
        ]
        != entry["ids"]
    ]
    report.equal(case.name, "token ids, special as text", wrong, [])
    decoded = [tokenizer.decode(entry["ids"]) for entry in [*plain, *special]]
    report.equal(case.name, "decoding", decoded, [entry["text"] for entry in [*plain, *special]])
    ids = {
        "bos": tokenizer.bos_token_id,
        "eos": tokenizer.eos_token_id,
        "pad": tokenizer.pad_token_id,
    }
    report.equal(case.name, "special ids", ids, case.expected["special_ids"])


def prompt(case: Case, name: str) -> torch.Tensor:
    """A prompt as a batch of one."""
    return torch.tensor([case.expected["prompts"][name]["tokens"]])


if __name__ == "__main__":
    sys.exit(main())
