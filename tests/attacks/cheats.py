"""A claimant who owns the key, and tells the story of his claim otherwise than it was.

The claim made by hand (`bench/claims/synthetic.py`) signs, links and sums up whatever it is told;
each cheat here tells it something else, everywhere where that would show.
"""

from __future__ import annotations

import copy
import json
from datetime import timedelta

import pytest
import synthetic
import synthetic_numbers
import synthetic_sums
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from synthetic import Story

from farthing.artifacts.canonical import digest_json, sha256_hex
from farthing.artifacts.chain import Head, Signer, seal


def told(change=None, **edits):
    """A cheat: how a claim is written into a folder.

    Args:
        change: does something to the story before it is told.
        edits: hooks of the story.
    """

    def write(folder):
        story = Story(folder, **edits)
        if change is not None:
            change(story)
        return story.write()

    return write


def with_figures(**replaced):
    """A cheat: everything is counted with other functions or sizes than the honest ones."""

    def write(folder):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in replaced.items():
                for module in (synthetic, synthetic_numbers, synthetic_sums):
                    if hasattr(module, name):
                        patch.setattr(module, name, value)
            return Story(folder).write()

    return write


def edit(kind, *path, value, which=0):
    """A hook: another value in a nested place of one entry of a kind; a function is applied."""
    seen = []

    def hook(found, body):
        if found == "genesis":
            seen.clear()
        if found != kind:
            return body
        seen.append(kind)
        return put(copy.deepcopy(body), *path, value=value) if len(seen) == which + 1 else body

    return hook


def put(body, *path, value):
    """The body with another value in a nested place."""
    place = body
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value(place[path[-1]]) if callable(value) else value
    return body


def other_packages(kind, body):
    """A hook: every training ran with packages that the draft does not name."""
    if kind != "run.start" or body["purpose"] != "training":
        return body
    return {**body, "environment": {**body["environment"], "packages": "e" * 64}}


def claimed(*path, value):
    """A hook: another value in the predicate."""
    return lambda body: put(copy.deepcopy(body), *path, value=value)


def stepped(**fields):
    """A hook: other fields in every step of the second seed's training (run 5)."""

    def hook(run, line):
        if run != 5:
            return line
        return {**line, **{name: change(line[name]) for name, change in fields.items()}}

    return hook


def work_scaled(**factors):
    """In the place of `work_of`: some amounts are told as a part of what they were."""
    honest = synthetic_numbers.work_of

    def work_of(seconds, **counts):
        work = honest(seconds, **counts)
        return {**work, **{name: work[name] * factor for name, factor in factors.items()}}

    return work_of


TIMES = ("wall_seconds", "device_seconds", "cpu_seconds", "joules")


def shorter_hours():
    """Half of all time and energy."""
    return work_scaled(**dict.fromkeys(TIMES, 0.5))


def slower_clock():
    """In the place of `timedelta`: time stamps run at half speed too."""
    return lambda **time: timedelta(**time) / 2


def huge_models():
    """In the place of `METHOD` and `BASELINE`: so wide that no machine trains them in a second."""
    wide = {"hidden_dim": 1 << 25}
    return {name: {**getattr(synthetic_numbers, name), **wide} for name in ("METHOD", "BASELINE")}


def half_price():
    """In the place of `amounts`: dollars by half of the price in the book."""
    honest = synthetic_numbers.amounts

    def amounts(parts):
        found = honest(parts)
        return {**found, "usd": found["usd"] / 2}

    return amounts


def own_price(folder):
    """A price list of his own, in the book and in all sums."""
    price = ("prices", "on_demand", "usd_per_device_hour")

    def hook(kind, body):
        if kind != "rates":
            return body
        half = {"value": 0.01, "low": 0.01, "high": 0.01}
        return put(copy.deepcopy(body), *price, value=lambda listed: {**listed, **half})

    with pytest.MonkeyPatch.context() as patch:
        half = half_price()
        for module in (synthetic, synthetic_numbers, synthetic_sums):
            patch.setattr(module, "amounts", half)
        return Story(folder, entry=hook).write()


def other_baseline(*path, value):
    """One baseline (run 11) is trained by another recipe, and its checkpoints are not promised."""

    def change(story):
        story.entry = edit("plan", "recipe", *path, value=value, which=4)

        def claim(predicate):
            leaves = [leaf for leaf in story.leaves if json.loads(leaf)[0] != 11]
            root = synthetic_numbers.merkle_root(leaves)
            kept = {"root": root, "segments": len(leaves), "bytes": 1000}
            return {**predicate, "checkpoints": kept}

        story.claim = claim

    return change


def trained_first(story):
    """The runs, with seeds that he liked, and only then the draft and a nonce."""
    story.order = ("trainings", "draft", "nonce")
    lines = list(story.lines)
    story._draft()
    story.lines[:] = lines


def second_nonce(story):
    """A second number, after he had seen the seeds of the first."""
    honest = story._nonce

    def twice():
        honest()
        body = {"draft": story.draft, "nonce": "1" * 32, "origin": "verifier", "detail": "again"}
        story.nonce = story.book("claim.nonce", body)

    story._nonce = twice


def own_seeds(story):
    """Seeds that nothing but his taste decides."""
    honest = story._training

    def training(registered, seed, place, number):
        story.seeds = tuple(each % 1000 for each in story.seeds)
        honest(registered, seed % 1000, place, number)

    story._training = training


def moved_target(story):
    """The target is set where the model ended, after the draft was signed."""
    honest = story._nonce

    def later():
        honest()
        story.targets = [{**story.targets[0], "bpb": 1.8}, story.targets[1]]

    story._nonce = later


def tuned_more(story):
    """Runs that look for settings, after a draft that allows none."""
    honest = story._nonce

    def later():
        honest()
        story.cost["tuning"].append((story._simple("tuning", 5.0, None).total, True))

    story._nonce = later


def tuned_by_another_name(story):
    """The same runs, called something else than tuning."""
    honest = story._nonce

    def later():
        honest()
        story.cost["other"].append((story._simple("search", 5.0, None).total, True))

    story._nonce = later


def number_left_out(story):
    """A run is struck from the book; the numbers of the others stay."""

    def hook(kind, body):
        if (kind, body.get("run")) == ("run.end", 1):
            story._starts[2] = ""
        return body

    story.entry = hook


def without(purpose, line):
    """A run is left out, and all later ones have the numbers that close the gap.

    Args:
        purpose: of the run.
        line: of the cost that it stood in.
    """

    def change(story):
        honest = story._simple

        def simple(found, seconds, made):
            if found != purpose:
                return honest(found, seconds, made)
            story.cost[line] = _Deaf()
            return synthetic.Attempt(-1, {})

        story._simple = simple

    return change


class _Deaf(list):
    """A cost line that stays empty."""

    def append(self, _part):
        pass


def first_attempt_left_out(story):
    """The attempt that was interrupted is struck out, and its successor has its number."""
    honest = story._train

    def train(recipe, plan, steps, **options):
        kept = {name: copy.copy(getattr(story, name)) for name in _TOLD}
        attempt = honest(recipe, plan, steps, **options)
        if options.get("status") == "aborted":
            for name, value in kept.items():
                setattr(story, name, value)
            attempt.saved = dict.fromkeys(attempt.saved, synthetic_numbers.work_of(0.0))
            attempt.total = synthetic_numbers.work_of(0.0)
        return attempt

    story._train = train


_TOLD = ("lines", "bundle", "leaves", "_starts", "_journals")


def two_steps_fewer(story):
    """A training that ends two steps early, as if it had taken them."""
    honest = story._train

    def train(recipe, plan, steps, **options):
        if len(story._starts) == 5:
            steps = range(steps.start, steps.stop - story.segment_steps)
        return honest(recipe, plan, steps, **options)

    story._train = train


def clock_set_back(story):
    """A run between two others is dated into the time before them."""

    def hook(kind, body):
        if kind == "plan":
            story.clock -= timedelta(minutes=10)
        return body

    story.entry = hook


def years_ago(story):
    """The whole story is dated years back."""
    story.clock -= timedelta(days=2000)


def weak_baseline(folder):
    """A baseline that nobody would train so, registered in the draft for all to read."""
    honest = synthetic_numbers.recipe_of

    def recipe_of(arm, steps):
        recipe = honest(arm, steps)
        if arm == "baseline":
            recipe["train"]["schedule"]["warmup_share"] = 0.9
        return recipe

    return with_figures(recipe_of=recipe_of)(folder)


def old_entry(files):
    """An entry of an earlier book of his, signed by the same key, in the place of another."""
    _put_line(files, b"\x07", "e" * 64)


def spliced(files):
    """An entry of somebody else's book, linked to what stands before it."""
    lines = files["book.jsonl"].splitlines(keepends=True)
    _put_line(files, b"\x08", sha256_hex(lines[_PLACE - 1]))


def _put_line(files, key, before):
    lines = files["book.jsonl"].splitlines(keepends=True)
    signer = Signer(Ed25519PrivateKey.from_private_bytes(key * 32))
    body = {"run": None, "event": "note", "detail": "of another book"}
    lines[_PLACE] = seal(signer, Head(_PLACE, before), "event", body, "2026-03-01T00:00:36.000Z")
    files["book.jsonl"] = b"".join(lines)


_PLACE = 9


def other_draft(story):
    """The claim names a draft that the nonce was not drawn for."""
    story.order = ("draft", "draft", "nonce", "trainings")
    drafts = []
    honest = story._draft

    def draft():
        honest()
        drafts.append(story.draft)

    story._draft = draft
    story.claim = lambda body: {**body, "draft": drafts[0]}


def given_up(story):
    """A draft, a nonce that brought bad seeds, and then the same once more."""
    story.order = ("draft", "nonce", "draft", "nonce", "trainings")


def said_before(story):
    """He made a claim of this draft already, which said something else."""
    honest = story._trainings

    def trainings():
        honest()
        story.book("claim.made", {"draft": story.draft, "claim": "5" * 64})

    story._trainings = trainings


def other_scored_text(files):
    """The manifest lists another text to score than the one that was registered."""
    manifest = json.loads(files["corpus/manifest.json"])
    manifest["files"]["dev/en/tokens.bin"] = sha256_hex(b"easier")
    parts = {name: manifest[name] for name in ("kind", "files", "detail")}
    manifest["content_digest"] = digest_json(parts)
    files["corpus/manifest.json"] = json.dumps(manifest).encode()
