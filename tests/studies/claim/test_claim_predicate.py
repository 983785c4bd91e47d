"""Every field of a made claim, against plain arithmetic over the lines of its book."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import statistics
import tarfile

import pytest
from claim_example import EVERY, LENGTHS, NONCE, STEPS, TARGETS

import farthing

# Student's t, one-sided 95 %, two degrees of freedom: from a printed table.
T_OF_THREE_SEEDS = 2.9199855803537
USD_PER_HOUR = 0.02
FULL, SMALL = "layers=0-3/experts=4/top_k=2", "layers=0-1,3/experts=2/top_k=1"
LINES = ["method", "baseline", "repeated", "evaluation", "curation", "tuning", "other"]
SEEDS = range(3)


def close(value):
    return pytest.approx(value, rel=1e-12, abs=1e-15)


@pytest.fixture(scope="module")
def files(made_example):
    with tarfile.open(made_example.bundle) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


@pytest.fixture(scope="module")
def claim(files):
    statement = json.loads(base64.b64decode(json.loads(files["claim.json"])["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "urn:farthing:claim:v1"
    models = [each["digest"]["sha256"] for each in statement["subject"]]
    assert models == [run["model"] for run in statement["predicate"]["runs"]]
    return statement["predicate"]


@pytest.fixture(scope="module")
def lines(files):
    return files["book.jsonl"].splitlines(keepends=True)


@pytest.fixture(scope="module")
def book(lines):
    return [json.loads(line) for line in lines]


def bodies(book, kind):
    return [entry["body"] for entry in book if entry["kind"] == kind]


@pytest.fixture(scope="module")
def works(book):
    """Work of each run, by number."""
    return {end["run"]: end["work"] for end in bodies(book, "run.end")}


@pytest.fixture(scope="module")
def parts(book, works):
    """Work by line, reckoned here: only run 1 was interrupted, and run 2 went on from it."""
    starts = {start["run"]: start for start in bodies(book, "run.start")}
    assert starts[2]["resumed_from_step"] == 4
    assert starts[2]["input_key"] == starts[1]["input_key"]
    (kept,) = (
        each["work"]
        for each in bodies(book, "segment")
        if (each["run"], each["last_step"]) == (1, 3)
    )
    found = {line: [] for line in LINES}
    for run, start in starts.items():
        if run == 1:
            found["method"].append(kept)
            lost = {name: works[1][name] - kept[name] for name in AMOUNTS}
            found["repeated"].append(lost)
            continue
        purpose = {"training": "method", "evaluation": "evaluation", "curation": "curation"}
        line = purpose[start["purpose"]]
        if start["name"].removeprefix("tiny-").isdigit():
            line = "baseline" if line == "method" else line
        found[line].append(works[run])
    return found


AMOUNTS = ("device_seconds", "flops", "optimizer_flops", "tokens", "joules")


def total(works, name):
    return sum(work[name] for work in works)


def check_amounts(amounts, works):
    assert amounts["device_hours"] == close(total(works, "device_seconds") / 3600)
    assert amounts["flops"] == close(total(works, "flops"))
    assert amounts["optimizer_flops"] == close(total(works, "optimizer_flops"))
    assert amounts["tokens"] == total(works, "tokens")
    assert amounts["kwh"] == close(total(works, "joules") / 3.6e6)
    assert amounts["usd"] == close(total(works, "device_seconds") / 3600 * USD_PER_HOUR)
    if works:
        assert amounts["energy_method"] == "tdp_model"


def test_names_and_versions_are_those_of_the_draft(claim, book):
    (draft,) = bodies(book, "claim.draft")
    assert claim["version"] == 1
    assert claim["farthing_version"] == farthing.__version__
    for name in ("name", "statement", "baseline", "basis"):
        assert claim[name] == draft[name]


def test_draft_and_nonce_are_named_by_the_digests_of_their_lines(claim, lines, book):
    found = {
        entry["kind"]: hashlib.sha256(line).hexdigest()
        for entry, line in zip(book, lines, strict=True)
    }
    assert claim["draft"] == found["claim.draft"]
    assert claim["nonce"] == found["claim.nonce"]
    kinds = [entry["kind"] for entry in book]
    first_plan = kinds.index("plan")
    assert kinds.index("claim.draft") < kinds.index("claim.nonce") < first_plan
    assert "claim.made" not in kinds


def test_seeds_follow_from_draft_and_nonce(claim, book):
    def drawn(number):
        message = f"farthing seed {claim['draft']} {number}".encode()
        mac = hmac.new(bytes.fromhex(NONCE), message, hashlib.sha256).digest()
        return int.from_bytes(mac[:4], "big") % 2**31

    assert claim["seeds"] == [drawn(number) for number in range(3)]
    planned = [plan["recipe"]["train"]["seed"] for plan in bodies(book, "plan")]
    assert sorted(planned) == sorted(claim["seeds"] * 3)


def test_every_registered_run_is_there_with_every_seed(claim):
    expected = [("method", "", seed) for seed in claim["seeds"]]
    expected += [("baseline", str(each), seed) for each in LENGTHS for seed in claim["seeds"]]
    assert [(run["arm"], run["label"], run["seed"]) for run in claim["runs"]] == expected


def test_runs_name_their_attempts_model_scores_and_amounts(claim, book, works, parts):
    starts = {start["run"]: start for start in bodies(book, "run.start")}
    ends = {end["run"]: end for end in bodies(book, "run.end")}
    plans = {
        hashlib.sha256(line).hexdigest(): entry["body"]
        for line, entry in ((json_line(entry), entry) for entry in book)
        if entry["kind"] == "plan"
    }
    for run in claim["runs"]:
        last = run["runs"][-1]
        recipe = plans[starts[last]["plan"]]["recipe"]
        assert recipe["train"]["seed"] == run["seed"]
        assert recipe["train"]["steps"] == int(run["label"] or STEPS)
        assert run["model"] == ends[last]["artifact"]["digest"]
        scored = {
            each["shape"]: statistics.fmean(each["scores"].values())
            for each in bodies(book, "evaluation")
            if (each["supernet"], each["split"]) == (run["model"], "dev")
        }
        assert run["bpb"] == {shape: close(bpb) for shape, bpb in scored.items()}
        assert set(run["bpb"]) == ({FULL, SMALL} if run["arm"] == "method" else {"layers=0-3"})
        used = parts["method"][:2] if last == 2 else [works[last]]
        assert run["runs"] == ([1, 2] if last == 2 else [last])
        assert run["amounts"]["runs"] == len(run["runs"])
        check_amounts(run["amounts"], used)


def json_line(entry):
    import rfc8785

    return rfc8785.dumps(entry) + b"\n"


def test_every_run_of_the_book_is_in_one_line(claim, parts, works):
    assert [line["what"] for line in claim["cost"]] == LINES
    for line in claim["cost"]:
        check_amounts(line["amounts"], parts[line["what"]])
    assert sum(line["amounts"]["runs"] for line in claim["cost"]) == len(works)
    # The interrupted run is counted where a model rests on it, and its lost steps stand apart.
    repeated = claim["cost"][LINES.index("repeated")]["amounts"]
    assert repeated["runs"] == 0
    assert repeated["tokens"] == 2 * 4 * 32
    for amount, name in (("device_hours", "device_seconds"), ("flops", "flops")):
        spent = sum(line["amounts"][amount] for line in claim["cost"])
        per_hour = 3600 if amount == "device_hours" else 1
        assert spent * per_hour == close(sum(work[name] for work in works.values()))


def costs(claim, arm, name):
    """By label and seed, in the claim's order."""
    found = {}
    for run in claim["runs"]:
        if run["arm"] == arm:
            amounts = run["amounts"]
            cost = {
                "flops": amounts["flops"] + amounts["optimizer_flops"],
                "device_hours": amounts["device_hours"],
            }[name]
            found.setdefault(run["label"], []).append(cost)
    return found


def scores(claim, label):
    return [run["bpb"]["layers=0-3"] for run in claim["runs"] if run["label"] == str(label)]


def between(claim, target, name):
    """By seed, the baseline's cost of a target between its two lengths."""
    less, more = (costs(claim, "baseline", name)[str(each)] for each in LENGTHS)
    worse, better = (scores(claim, each) for each in LENGTHS)
    found = []
    for seed in SEEDS:
        assert worse[seed] > target > better[seed]
        share = (worse[seed] - target) / (worse[seed] - better[seed])
        found.append(less[seed] ** (1 - share) * more[seed] ** share)
    return found


def test_members_against_their_targets(claim):
    full, small = claim["reached"]
    assert [full["shape"], small["shape"]] == [FULL, SMALL]
    for each, target in zip(claim["reached"], TARGETS.values(), strict=True):
        bpb = [run["bpb"][each["shape"]] for run in claim["runs"] if run["arm"] == "method"]
        assert each["target"] == target
        assert each["bpb"] == bpb
        assert each["mean"] == close(statistics.fmean(bpb))
        reach = T_OF_THREE_SEEDS * statistics.stdev(bpb) / math.sqrt(3)
        assert each["upper95"] == pytest.approx(statistics.fmean(bpb) + reach, rel=1e-12)
        assert each["reached"] is (each["upper95"] <= target)
        assert each["reached"]
        assert each["counted"]
    assert full["baseline_cost"] == [
        close(cost) for cost in between(claim, full["target"], "flops")
    ]
    # The shortest length reaches the easier target already.
    assert max(scores(claim, LENGTHS[0])) < small["target"]
    assert small["baseline_cost"] == costs(claim, "baseline", "flops")[str(LENGTHS[0])]


@pytest.mark.parametrize("basis", ["flops", "device_hours"])
@pytest.mark.parametrize("scope", ["training", "loaded"])
def test_ratios_by_seed(claim, parts, book, works, basis, scope):
    theirs = [
        full + small
        for full, small in zip(
            between(claim, TARGETS["full"], basis),
            costs(claim, "baseline", basis)[str(LENGTHS[0])],
            strict=True,
        )
    ]
    ours = list(costs(claim, "method", basis)[""])

    def cost(work):
        hours = work["device_seconds"] / 3600
        return work["flops"] + work["optimizer_flops"] if basis == "flops" else hours

    if scope == "loaded":
        shared = sum(cost(work) for line in ("repeated", "curation") for work in parts[line])
        models = [run["model"] for run in claim["runs"] if run["arm"] == "method"]
        for seed in SEEDS:
            own = {
                each["run"]
                for each in bodies(book, "evaluation")
                if each["supernet"] == models[seed]
            }
            ours[seed] += shared / 3 + sum(cost(works[run]) for run in own)
    by_seed = [their / our for their, our in zip(theirs, ours, strict=True)]
    logs = [math.log(each) for each in by_seed]
    reach = T_OF_THREE_SEEDS * statistics.stdev(logs) / math.sqrt(3)
    (figure,) = (r for r in claim["ratio"] if (r["basis"], r["scope"]) == (basis, scope))
    assert figure["by_seed"] == [pytest.approx(each, rel=1e-9) for each in by_seed]
    assert figure["point"] == pytest.approx(math.prod(by_seed) ** (1 / 3), rel=1e-9)
    assert figure["lower95"] == pytest.approx(math.exp(statistics.fmean(logs) - reach), rel=1e-9)


def test_ratios_stand_in_the_claims_basis_first_and_not_in_estimated_energy(claim):
    assert [(each["basis"], each["scope"]) for each in claim["ratio"]] == [
        ("flops", "training"),
        ("flops", "loaded"),
        ("device_hours", "training"),
        ("device_hours", "loaded"),
    ]


def test_what_is_excluded_begins_with_what_no_software_sees(claim):
    excluded = {each["what"]: each["why"] for each in claim["excluded"]}
    assert next(iter(excluded)) == "covers logged compute only"
    assert excluded["tuning before the draft"] == "nothing was tuned"
    assert "tdp_model" in excluded["measured energy"]
    assert {"staff", "making the machine", "cooling and the site"} <= set(excluded)
    assert "idle time of the machine" in excluded
    assert not {"other runs of the book", "drafts given up", "expenses of the book"} & set(excluded)


def plain_root(leaves):
    """RFC 6962, section 2.1, from above."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + plain_root(leaves[:half]) + plain_root(leaves[half:])).digest()


def test_the_book_is_committed_to(claim, lines):
    assert claim["book"] == {
        "entries": len(lines),
        "head": hashlib.sha256(lines[-1]).hexdigest(),
        "merkle_root": plain_root(lines).hex(),
    }


def test_all_checkpoints_are_committed_to(claim, book, made_example):
    kept = bodies(book, "segment")
    leaves = [
        json.dumps(
            [each["run"], each["first_step"], each["last_step"], each["checkpoint_digest"]],
            separators=(",", ":"),
        ).encode()
        for each in kept
    ]
    assert len(leaves) == 3 * sum(steps // EVERY for steps in (STEPS, *LENGTHS))
    on_disk = list(made_example.root.glob("runs/tiny-*/checkpoints/step-*"))
    assert len(on_disk) == len(leaves), "all checkpoints are kept"
    assert claim["checkpoints"] == {
        "root": plain_root(leaves).hex(),
        "segments": len(leaves),
        "bytes": sum(path.stat().st_size for each in on_disk for path in each.iterdir()),
    }


def test_the_files_are_listed_with_size_and_digest(claim, files, works):
    listed = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in files.items()
        if name != "claim.json"
    }
    assert claim["files"] == listed
    steps = {f"steps/{run}.jsonl" for each in claim["runs"] for run in each["runs"]}
    journals = {f"journals/{run}.jsonl" for run in works}
    assert set(listed) == {"book.jsonl", "corpus/manifest.json", *journals, *steps}


def test_steps_are_the_logged_ones_of_each_attempt(files, claim, made_example):
    fields = (
        *("step", "loss_nats", "shapes", "tokens", "attended_pairs", "flops", "recomputed_flops"),
        *("optimizer_flops", "rate_share", "grad_norm"),
    )
    first = [json.loads(line) for line in files["steps/1.jsonl"].splitlines()]
    second = [json.loads(line) for line in files["steps/2.jsonl"].splitlines()]
    assert [line["step"] for line in first] == [0, 1, 2, 3, 4, 5]
    assert [line["step"] for line in second] == list(range(4, STEPS))
    logged = {}
    for path in made_example.root.glob("runs/tiny-*/metrics.jsonl"):
        for line in map(json.loads, path.read_text().splitlines()):
            logged.setdefault(line["run"], []).append({name: line[name] for name in fields})
    for run in (number for each in claim["runs"] for number in each["runs"]):
        text = files[f"steps/{run}.jsonl"]
        assert [json.loads(line) for line in text.splitlines()] == logged[run]
        assert text == b"".join(json_line(json.loads(line)) for line in text.splitlines())


def test_the_draft_promised_enough_storage_and_not_much_more(claim, book):
    (draft,) = bodies(book, "claim.draft")
    assert claim["checkpoints"]["bytes"] <= draft["storage_bytes"]
    assert claim["checkpoints"]["bytes"] > 0.75 * draft["storage_bytes"]
