"""A claim made by hand: a signed book, journals, steps and a bundle, with plain sums of its own.

It shares nothing with what makes claims but the form of entries and files, so that a verifier that
agrees with it agrees with two countings. Every entry, step and statement passes through a hook
before it is signed: a cheat who holds the key is one edit away.

    path = Story(folder).write()
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from synthetic_numbers import (
    DEVICES,
    FULL,
    NONCE,
    SEEDS,
    SMALL,
    TOKENS,
    VOCABULARY,
    WHOLE,
    Json,
    amounts,
    forward_flops,
    less,
    merkle_root,
    recipe_of,
    work_of,
)

from farthing.artifacts.canonical import canonical_json, digest_json, sha256_hex
from farthing.artifacts.chain import NOTHING_BEFORE, Head, Signer, seal
from farthing.artifacts.claims.archive import file_facts, write_bundle
from farthing.artifacts.claims.dsse import sign_statement
from farthing.artifacts.claims.seeds import derive_seeds


@dataclass
class Attempt:
    """A run as it was booked: totals at its end and at each saved step."""

    number: int
    total: Json
    saved: dict[int, Json] = field(default_factory=dict)


def _same(_kind: str, body: Json) -> Json:
    return body


@dataclass
class Story:
    """What happened, and in which order it was entered.

    Attributes:
        folder: to write in.
        segments: of a method's training; the baseline has a third, two thirds and as many.
        segment_steps: steps of each.
        entry, step, claim: see every body by kind, every line of steps, and the predicate, before
            they are signed; what they return stands.
        files: sees the files of the bundle before they are listed and signed, and may change them.
        order: of draft, nonce and trainings.
        key: of the claimant, 32 bytes.
    """

    folder: Path
    segments: int = 3
    segment_steps: int = 2
    entry: Callable[[str, Json], Json] = _same
    step: Callable[[int, Json], Json] = lambda _run, line: line
    claim: Callable[[Json], Json] = lambda predicate: predicate
    files: Callable[[dict[str, Any]], None] = lambda _files: None
    order: tuple[str, ...] = ("draft", "nonce", "trainings")
    key: bytes = b"\x07" * 32

    def __post_init__(self) -> None:
        self.signer = Signer(Ed25519PrivateKey.from_private_bytes(self.key))
        self.lines: list[bytes] = []
        self.head = Head(0, NOTHING_BEFORE)
        self.clock = datetime(2026, 3, 1, tzinfo=UTC)
        self.bundle: dict[str, Any] = {}
        self.attempts: list[Attempt] = []
        self.cost: dict[str, list[tuple[Json, bool]]] = {
            line: []
            for line in (
                *("method", "baseline", "repeated", "evaluation", "curation", "tuning", "other"),
            )
        }
        self.models: list[Json] = []
        self.leaves: list[bytes] = []
        self.scoring: dict[str, Json] = {}
        self._starts: dict[int, str] = {}
        self._journals: dict[int, list[bytes]] = {}
        self._corpus()

    def write(self) -> Path:
        """Tell the story, and bundle it."""
        public = self.signer.public.hex()
        genesis = {"project": "synthetic", "public_key": public, "rules_version": 4}
        self.book("genesis", {**genesis, "farthing_version": "0.1.0"})
        rate = {"value": 0.02, "unit": "USD/h", "provenance": "assumed", "source": "a list"}
        price = {"usd_per_device_hour": {**rate, "low": 0.02, "high": 0.02}, "date": "2026-01-01"}
        self.book(
            "rates", {"from_run": 0, "prices": {"on_demand": price}, "grid": None, "pue": None}
        )
        curated = self._simple("curation", 30.0, {"kind": "corpus", "digest": self.corpus})
        self.cost["curation"].append((curated.total, True))
        self.cost["other"].append((self._simple("search", 5.0, None).total, True))
        chapters = {"draft": self._draft, "nonce": self._nonce, "trainings": self._trainings}
        for chapter in self.order:
            chapters[chapter]()
        return self._bundle()

    def book(self, kind: str, body: Json) -> str:
        """Enter; returns the digest of the line."""
        return self._append(self.lines, kind, self.entry(kind, body))

    def _append(self, lines: list[bytes], kind: str, body: Json, first: str | None = None) -> str:
        prev = sha256_hex(lines[-1]) if lines else first or NOTHING_BEFORE
        head = Head(len(lines), prev)
        time = self.clock.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        lines.append(seal(self.signer, head, kind, body, time))
        return sha256_hex(lines[-1])

    def _corpus(self) -> None:
        files = {
            f"dev/en/{name}": sha256_hex(name.encode()) for name in ("tokens.bin", "bytes.npy")
        }
        parts = {
            "kind": "corpus",
            "files": {**files, "tokenizer.json": sha256_hex(b"tokenizer")},
            "detail": {"tokenizer": {"vocab_size": VOCABULARY}},
        }
        self.corpus = digest_json(parts)
        self.held_out = digest_json(files)
        manifest = {**parts, "input_key": "a" * 64, "content_digest": self.corpus}
        self.bundle["corpus/manifest.json"] = json.dumps(manifest, indent=1).encode()

    def _draft(self) -> None:
        whole = self.segments * self.segment_steps
        shorter = [max(1, self.segments * part // 3) * self.segment_steps for part in (1, 2, 3)]
        self.registered = [{"arm": "method", "label": "", "recipe": recipe_of("method", whole)}]
        self.registered += [
            {"arm": "baseline", "label": str(steps), "recipe": recipe_of("baseline", steps)}
            for steps in shorter
        ]
        self.targets = [{"shape": FULL, "bpb": 1.5}, {"shape": SMALL, "bpb": 1.7}]
        body = {
            **{"name": "hand", "statement": "made by hand", "baseline": "plain", "seeds": SEEDS},
            **{"runs": self.registered, "targets": self.targets, "split": "dev"},
            **{"corpus_digest": self.corpus, "held_out_digest": self.held_out, "code": "c" * 64},
            **{
                "commit": None,
                "packages": {},
                "basis": "flops",
                "stop_rule": "all runs to the end",
            },
            "tuning": {"method_runs": 0, "baseline_runs": 0, "before": "none"},
            "storage_bytes": 1 << 20,
        }
        self.draft = self.book("claim.draft", body)

    def _nonce(self) -> None:
        draft = getattr(self, "draft", "d" * 64)
        body = {"draft": draft, "nonce": NONCE, "origin": "verifier", "detail": "a stranger"}
        self.nonce = self.book("claim.nonce", body)

    def _trainings(self) -> None:
        self.seeds = derive_seeds(NONCE, getattr(self, "draft", "d" * 64), SEEDS)
        for place, registered in enumerate(self.registered):
            for number, seed in enumerate(self.seeds):
                self._training(registered, seed, place, number)

    def _training(self, registered: Json, seed: int, place: int, number: int) -> None:
        recipe = registered["recipe"]
        recipe = {**recipe, "train": {**recipe["train"], "seed": seed}}
        members = recipe["evaluate"]["members"]
        plan = self.book(
            "plan",
            {
                **{"name": recipe["name"], "recipe": recipe, "recipe_digest": digest_json(recipe)},
                **{"corpus_digest": self.corpus, "parent": None, "inherits": []},
                "members": [{"shape": each, "share": 1 / len(members)} for each in members],
            },
        )
        steps, arm = recipe["train"]["steps"], registered["arm"]
        cut = self.segment_steps if (place, number) == (0, 0) and self.segments > 1 else 0
        kept, runs = [], []
        if cut:
            # It is stopped one step after its first checkpoint, and goes on from there.
            first = self._train(recipe, plan, range(cut + 1), status="aborted")
            kept.append(first.saved[cut])
            runs.append(first.number)
            self.cost["method"].append((first.saved[cut], True))
            self.cost["repeated"].append((less(first.total, first.saved[cut]), False))
        model = sha256_hex(f"{arm} {registered['label']} {seed}".encode())
        last = self._train(recipe, plan, range(cut, steps), model=model)
        kept.append(last.total)
        runs.append(last.number)
        self.cost[arm].append((last.total, True))
        bpb = self._score(model, members, place, number)
        self.models.append(
            {
                **{"arm": arm, "label": registered["label"], "seed": seed, "runs": runs},
                **{"model": model, "bpb": bpb, "amounts": amounts([(each, True) for each in kept])},
            }
        )

    def _start(self, purpose: str, name: str, key: str, **more: object) -> int:
        number = len(self._starts)
        machine = {"id": "m", "name": "a processor", "device": "cpu-thread", "devices": DEVICES}
        watts = {"watts": 5.0, "watts_low": 2.0, "watts_high": 8.0, "watts_source": "a list"}
        environment = {"python": "3.12", "torch": None, "threads": 1, "platform": "p", "cpu": "c"}
        body = {
            **{"run": number, "purpose": purpose, "name": name, "attempt": 1, "input_key": key},
            **{"inputs": [], "plan": None, "resumed_from_step": None, "environment": environment},
            **{"machine": {**machine, **watts}, "journal": f"journals/{number}.jsonl", **more},
        }
        self._starts[number] = self.book("run.start", body)
        self._journals[number] = []
        return number

    def _journal(self, number: int, kind: str, body: Json) -> None:
        self._append(self._journals[number], kind, body, self._starts[number])

    def _end(self, number: int, status: str, work: Json, artifact: Json | None) -> None:
        lines = self._journals[number]
        body = {
            **{"run": number, "status": status, "artifact": artifact, "work": work},
            **{"reason": None if status == "completed" else "stopped", "evidence": "meter"},
            **{"journal_count": len(lines), "journal_head": sha256_hex(lines[-1])},
        }
        self.book("run.end", body)
        self.bundle[f"journals/{number}.jsonl"] = b"".join(lines)

    def _simple(self, purpose: str, seconds: float, artifact: Json | None) -> Attempt:
        """A run that only takes time."""
        number = self._start(purpose, purpose, f"{purpose} key")
        self.clock += timedelta(seconds=seconds)
        work = work_of(seconds)
        beat = {"run": number, "phase": purpose, "step": None, "work": work}
        self._journal(number, "heartbeat", beat)
        self._end(number, "completed", work, artifact)
        return Attempt(number, work)

    def _train(
        self,
        recipe: Json,
        plan: str,
        steps: range,
        *,
        status: str = "completed",
        model: str | None = None,
    ) -> Attempt:
        key = digest_json(recipe)
        resumed = steps.start or None
        number = self._start("training", recipe["name"], key, plan=plan, resumed_from_step=resumed)
        attempt = Attempt(number, work_of(0.0))
        losses: list[float] = []
        lines, sums = [], {"tokens": 0, "flops": 0, "optimizer_flops": 0}
        for step in steps:
            line = self.step(number, self._step(recipe, step))
            lines.append(canonical_json(line) + b"\n")
            losses.append(line["loss_nats"])
            for name in sums:
                sums[name] += line[name]
            self.clock += timedelta(seconds=0.25)
            work = work_of(0.25 * len(lines), **sums)
            attempt.total = work
            beat = {"run": number, "phase": "train", "step": step, "work": work}
            self._journal(number, "heartbeat", beat)
            if (step + 1) % self.segment_steps == 0:
                self._segment(
                    attempt, step, losses, work, counted=(step + 1) in steps or bool(model)
                )
                losses = []
        self._end(
            number, status, attempt.total, {"kind": "supernet", "digest": model} if model else None
        )
        self.bundle[f"steps/{number}.jsonl"] = b"".join(lines)
        return attempt

    def _step(self, recipe: Json, step: int) -> Json:
        steps, schedule = recipe["train"]["steps"], recipe["train"]["schedule"]
        rise, fall = schedule["warmup_share"] * steps, schedule["decay_share"] * steps
        share = (steps - step) / (fall + 1) if steps - step <= fall else 1.0
        share = (step + 1) / rise if step + 1 < rise else share
        pairs = TOKENS * 17 // 2 - step % 5
        small = recipe["train"]["elastic"] is not None and step % 3 == 1
        shape, sizes = (SMALL, (3, 2, 1)) if small else (FULL, (4, 4, 2))
        if recipe["train"]["elastic"] is None:
            shape, sizes = WHOLE, (2, 0, 0)
        return {
            **{"step": step, "loss_nats": 3.5 - 2 * step / steps, "shapes": [shape]},
            **{"tokens": TOKENS, "attended_pairs": pairs, "recomputed_flops": 0},
            "flops": 3 * forward_flops(recipe["model"], *sizes, pairs),
            **{"optimizer_flops": 7000, "rate_share": share, "grad_norm": 0.5},
        }

    def _segment(
        self, attempt: Attempt, step: int, losses: list[float], work: Json, *, counted: bool
    ) -> None:
        first = step - len(losses) + 1
        checkpoint = sha256_hex(f"{attempt.number} {step}".encode())
        body = {
            **{"run": attempt.number, "first_step": first, "last_step": step},
            **{"tokens": TOKENS * len(losses), "loss_sum": sum(losses)},
            **{"loss_digest": digest_json(losses), "batch_digest": "b" * 64},
            **{"checkpoint_digest": checkpoint, "work": work},
        }
        self._journal(attempt.number, "segment", {**body, "journal_count": None})
        body["journal_count"] = len(self._journals[attempt.number])
        self.book("segment", body)
        attempt.saved[step + 1] = work
        if counted:
            leaf = [attempt.number, first, step, checkpoint]
            self.leaves.append(json.dumps(leaf, separators=(",", ":")).encode())

    def _score(self, model: str, members: list[str], place: int, number: int) -> dict[str, float]:
        run = self._start(
            "evaluation", "e", f"e {model}", inputs=[{"role": "supernet", "digest": model}]
        )
        self.clock += timedelta(seconds=2)
        work = work_of(2.0, tokens=1000, flops=5_000_000)
        beat = {"run": run, "phase": "evaluate", "step": None, "work": work}
        self._journal(run, "heartbeat", beat)
        found = {}
        for member in members:
            base = {FULL: 1.4, SMALL: 1.6}.get(member, 1.9 - 0.2 * place)
            scores = {"en": base + 0.01 * number, "de": base + 0.02 * number}
            body = {"run": run, "supernet": model, "shape": member, "split": "dev"}
            self.book("evaluation", {**body, "scores": scores, "work": work})
            found[member] = sum(scores.values()) / 2
        self._end(run, "completed", work, {"kind": "scores", "digest": sha256_hex(model.encode())})
        self.cost["evaluation"].append((work, True))
        self.scoring[model] = work
        return found

    def predicate(self) -> Json:
        """What the claim says, counted by hand."""
        from synthetic_sums import figures

        reached, ratio = figures(self)
        book = b"".join(self.lines)
        self.bundle["book.jsonl"] = book
        self.files(self.bundle)
        facts = file_facts(self.bundle)
        return {
            **{"version": 1, "name": "hand", "statement": "made by hand", "baseline": "plain"},
            **{"draft": self.draft, "nonce": self.nonce, "seeds": list(self.seeds)},
            **{"basis": "flops", "runs": self.models, "reached": reached, "ratio": ratio},
            "cost": [
                {"what": line, "amounts": amounts(parts)} for line, parts in self.cost.items()
            ],
            "excluded": [{"what": "covers logged compute only", "why": "no software sees more"}],
            "book": {
                **{"entries": len(self.lines), "head": sha256_hex(self.lines[-1])},
                "merkle_root": merkle_root(self.lines),
            },
            "checkpoints": {
                **{"root": merkle_root(self.leaves), "segments": len(self.leaves), "bytes": 1000},
            },
            "files": {name: each.model_dump() for name, each in facts.items()},
            "farthing_version": "0.1.0",
        }

    def _bundle(self) -> Path:
        predicate = self.claim(self.predicate())
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [
                {
                    "name": f"{run['arm']} {run['label']}".rstrip() + f", seed {run['seed']}",
                    "digest": {"sha256": run["model"]},
                }
                for run in predicate["runs"]
            ],
            "predicateType": "urn:farthing:claim:v1",
            "predicate": predicate,
        }
        path = self.folder / "hand.claim"
        write_bundle(path, sign_statement(self.signer, statement), "claim.json", self.bundle)
        return path
