"""Does llama.cpp, given our GGUF files, compute what the supernet computes?

    ENVIRONMENT/bin/python tests/exports/check_llama_cpp.py CASES

Runs the C++ server in process (the xllamacpp wheel) and asks it over HTTP, as others would. Reads
what make_cases.py wrote. Exits 1 if any row of the table fails.
"""

import importlib.metadata
import json
import statistics
import sys
import urllib.request
from pathlib import Path

import xllamacpp
from report import Case, Report, open_cases
from xllamacpp import CommonParams, Server

# Of next-token log-probabilities: for F32 the largest difference there is, else the mean difference
# over the vocabulary, of the middle prompt. Rounding to 16 or 8 bits now and then tips a router
# that is close to a tie, and with random weights another expert means another text.
LIMITS = {"F32": 1e-4, "F16": 0.01, "Q8_0": 0.2}
# For the same reason the rounded files are asked for each greedy token anew, after farthing's own
# tokens so far, and a few may differ.
LEAST_AGREEMENT = {"F16": 0.95, "Q8_0": 0.8}


def main() -> int:
    """Check every case; return the exit code."""
    print(f"xllamacpp {importlib.metadata.version('xllamacpp')}")
    report = Report()
    for case in open_cases(Path(sys.argv[1])):
        for encoding in LIMITS:
            (path,) = case.member.parent.glob(f"*-{encoding}.gguf")
            server = serve(path, case.expected["context"])
            check_log_probs(case, server, encoding, report)
            if encoding == "F32":
                check_greedy(case, server, report)
                check_tokenizer(case, server, report)
            else:
                check_next_tokens(case, server, encoding, report)
    return report.close()


def serve(path: Path, context: int) -> Server:
    """The model behind an HTTP port on this machine, in full precision beyond its weights."""
    params = CommonParams()
    params.model.path = str(path)
    params.n_ctx = context
    params.n_parallel = 1
    params.cpuparams.n_threads = 1
    params.warmup = False
    params.verbosity = 0
    # The defaults keep keys and values as 16-bit numbers: a difference of 2e-3 that is not ours.
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    return Server(params)


def check_log_probs(case: Case, server: Server, encoding: str, report: Report) -> None:
    """The whole distribution after each prompt."""
    largest, mean = [], []
    for asked in case.expected["prompts"].values():
        expected = asked["next_log_probs"]
        if len(asked["tokens"]) == case.expected["context"]:
            continue  # the engine wants room for the token it is asked for
        found = next_log_probs(server, asked["tokens"], case)
        assert len(found) == len(expected), f"{len(found)} log-probabilities of {len(expected)}"
        differences = [abs(found[i] - value) for i, value in enumerate(expected)]
        largest.append(max(differences))
        mean.append(statistics.mean(differences))
    if encoding == "F32":
        report.below(case.name, "F32 log-probs, largest", max(largest), LIMITS["F32"])
    else:
        middle = statistics.median_low(mean)
        report.below(case.name, f"{encoding} log-probs, typical", middle, LIMITS[encoding])


def next_log_probs(server: Server, tokens: list, case: Case) -> dict:
    """Log-probabilities by token id, of every token."""
    plain = case.expected["plain_strings"][0]
    assert plain["text"] == "a"
    # The server lists nothing for a token that ends inside a character, so the choice is forced
    # to an "a". Its log-probabilities are those from before the bias.
    answer = post(
        server,
        "/completion",
        {
            "prompt": tokens,
            "n_predict": 1,
            "temperature": 0.0,
            "cache_prompt": False,
            "n_probs": 1_000_000,
            "logit_bias": [[plain["ids"][0], 1000.0]],
        },
    )
    (step,) = answer["completion_probabilities"]
    return {entry["id"]: entry["logprob"] for entry in step["top_logprobs"]}


def check_greedy(case: Case, server: Server, report: Report) -> None:
    """The same tokens from the engine's own loop and cache."""
    wrong, count = [], 0
    for name, asked in case.expected["prompts"].items():
        expected = without_end(case, asked["greedy"])
        if expected:
            found = continuation(server, asked["tokens"], len(asked["greedy"]))
            count += len(expected)
            if without_end(case, found) != expected:
                wrong.append(name)
    report.add(case.name, "F32 greedy tokens", not wrong, f"{count} tokens, wrong in {wrong}")


def check_next_tokens(case: Case, server: Server, encoding: str, report: Report) -> None:
    """The likeliest token after each start of farthing's continuation."""
    same = count = 0
    for asked in case.expected["prompts"].values():
        expected = without_end(case, asked["greedy"])
        for place, token in enumerate(expected):
            same += continuation(server, asked["tokens"] + expected[:place], 1) == [token]
        count += len(expected)
    enough = same >= LEAST_AGREEMENT[encoding] * count
    report.add(case.name, f"{encoding} next tokens", enough, f"{same} of {count} tokens")


def continuation(server: Server, tokens: list, count: int) -> list:
    """At most `count` tokens, the likeliest each time."""
    request = {
        "prompt": tokens,
        "n_predict": count,
        "temperature": 0.0,
        "cache_prompt": False,
        "return_tokens": True,
    }
    return post(server, "/completion", request)["tokens"]


def without_end(case: Case, tokens: list) -> list:
    """What the engine tells: it keeps the token that ends a text to itself."""
    return [token for token in tokens if token != case.expected["special_ids"]["eos"]]


def check_tokenizer(case: Case, server: Server, report: Report) -> None:
    """The same ids as farthing, with an opening token where a text is tokenized to be continued."""
    opening = case.expected["special_ids"]["bos"]
    for kind, flags in (("plain", {}), ("special", {"parse_special": False})):
        wrong = []
        for entry in case.expected[f"{kind}_strings"]:
            bare = post(server, "/tokenize", {"content": entry["text"], **flags})
            opened = post(
                server, "/tokenize", {"content": entry["text"], "add_special": True, **flags}
            )
            if (bare["tokens"], opened["tokens"]) != (entry["ids"], [opening, *entry["ids"]]):
                wrong.append(entry["text"])
        report.equal(case.name, f"token ids, {kind} strings", wrong, [])


def post(server: Server, path: str, body: dict) -> dict:
    """One request."""
    request = urllib.request.Request(
        server.listening_address + path,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


if __name__ == "__main__":
    sys.exit(main())
