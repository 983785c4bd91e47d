"""Does vLLM on a CPU continue our members token for token?

    make bench-vllm

Runs in an environment of its own (3.5 GB), over the cases of tests/exports/make_cases.py. Prints,
for each, the greedy tokens that agree with farthing's, the largest difference among the five
likeliest first tokens' log-probabilities, and the seconds that loading took. Exits 1 if any token
differs.
"""

import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "exports"))

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["VLLM_NO_USAGE_STATS"] = "1"
os.environ["VLLM_CPU_KVCACHE_SPACE"] = "1"
# The default binds to cores that a shared machine may not have.
os.environ["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")

from report import Case, Report, open_cases
from vllm import LLM, SamplingParams, TokensPrompt

TOP = 5
MAX_LOG_PROB_DIFFERENCE = 1e-4


def main() -> int:
    """Run every case; return the exit code."""
    names = ("vllm-cpu", "transformers", "torch")
    print(", ".join(f"{name} {version(name)}" for name in names), flush=True)
    print(f"{platform.machine()}, {os.cpu_count()} hardware threads", flush=True)
    report = Report()
    wanted = sys.argv[2:]
    for case in open_cases(Path(sys.argv[1])):
        if not wanted or case.name in wanted:
            run(case, report)
    return report.close()


def run(case: Case, report: Report) -> None:
    """All prompts of one case at once, as the engine batches them."""
    started = time.perf_counter()
    model = LLM(
        model=str(case.member),
        dtype="float32",
        max_model_len=case.expected["context"],
        enforce_eager=True,
        max_num_seqs=4,
    )
    report.add(case.name, "loading", True, f"{time.perf_counter() - started:.1f} s")
    asked = [prompt for prompt in case.expected["prompts"].values() if prompt["greedy"]]
    settings = [
        SamplingParams(temperature=0.0, max_tokens=len(prompt["greedy"]), logprobs=TOP)
        for prompt in asked
    ]
    prompts = [TokensPrompt(prompt_token_ids=prompt["tokens"]) for prompt in asked]
    answers = [answer.outputs[0] for answer in model.generate(prompts, settings, use_tqdm=False)]
    wrong = [
        i
        for i, (prompt, answer) in enumerate(zip(asked, answers, strict=True))
        if list(answer.token_ids) != prompt["greedy"]
    ]
    count = sum(len(prompt["greedy"]) for prompt in asked)
    report.add(case.name, "greedy tokens", not wrong, f"{count} tokens, wrong prompts {wrong}")
    difference = max(
        abs(entry.logprob - prompt["next_log_probs"][token])
        for prompt, answer in zip(asked, answers, strict=True)
        for token, entry in answer.logprobs[0].items()
    )
    report.below(case.name, "first log-probs", difference, MAX_LOG_PROB_DIFFERENCE)
    del model


if __name__ == "__main__":
    sys.exit(main())
