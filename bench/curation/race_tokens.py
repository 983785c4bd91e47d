"""Learning a vocabulary and encoding with it: farthing against Hugging Face's tokenizers.

    python bench/curation/race_tokens.py [--text FOLDER] [--vocab 8192] [--json FILE]

Both learn the same byte-level BPE (qwen2's split) from the same texts, and the files must be
equal; both encode the same texts with it, and every id must be equal. gigatoken joins in where it
is installed; it is given the file without its special tokens, which it would find in ordinary text.
The rounds encode the same texts again and again, and a program may remember the pieces that it has
seen: the rate of the first pass of a new encoder stands beside.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from pile import batches, draw, files_of, megabytes_of, read
from races import Figure, Outcome, Side, one_thread, options, race, version_of
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as HfTokenizer

from farthing.documents.batch import text_bytes
from farthing.text.tokenizer import QWEN2_SPLIT, SPECIAL_TOKENS, Tokenizer, train_bpe

WANTED = 5.0
OURS, THEIRS, GIGATOKEN = "farthing", "tokenizers", "gigatoken"


def their_training(texts: Sequence[str], vocab_size: int) -> str:
    """The file that Hugging Face's trainer makes."""
    inner = HfTokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(QWEN2_SPLIT), "isolated")
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.pre_tokenizer = pre_tokenizers.Sequence([split, to_bytes])
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        show_progress=False,
        special_tokens=[
            AddedToken(text, special=True, normalized=False) for text in SPECIAL_TOKENS
        ],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    inner.train_from_iterator(texts, trainer)
    return str(inner.to_str(pretty=True)) + "\n"


def encoders(tokenizer: Tokenizer, texts: Sequence[str], arrays: list) -> dict[str, object]:
    """By program: a function of no arguments that encodes all texts."""
    inner = HfTokenizer.from_str(tokenizer.export_json())
    inner.encode_special_tokens = True
    every = {
        OURS: lambda: [tokenizer.encode_flat(*text_bytes(each)) for each in arrays],
        THEIRS: lambda: inner.encode_batch_fast(texts, add_special_tokens=False),
    }
    if importlib.util.find_spec(GIGATOKEN) is not None:
        fast = _gigatoken(tokenizer)
        every[GIGATOKEN] = lambda: fast.encode_batch(texts, parallel=False)
    return every


def _gigatoken(tokenizer: Tokenizer) -> object:
    import gigatoken

    described = json.loads(tokenizer.export_json())
    described["added_tokens"] = []
    described["post_processor"] = None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        path.write_text(json.dumps(described), encoding="utf-8")
        return gigatoken.Tokenizer(str(path))


def first_passes(
    tokenizer: Tokenizer, texts: Sequence[str], arrays: list, megabytes: float, rounds: int
) -> dict[str, Figure]:
    """MB for each CPU-second of encoders that have seen no text before, by program."""
    values: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, work in encoders(tokenizer, texts, arrays).items():
            began = time.process_time()
            work()
            values.setdefault(name, []).append(megabytes / (time.process_time() - began))
    return {name: Figure.of(each) for name, each in values.items()}


def differing(tokenizer: Tokenizer, texts: Sequence[str], every: dict) -> dict[str, int]:
    """How many texts each rival encodes otherwise than farthing."""
    own = tokenizer.encode_batch(texts)
    found = {THEIRS: [each.ids for each in every[THEIRS]()]}
    if GIGATOKEN in every:
        found[GIGATOKEN] = [list(map(int, each)) for each in every[GIGATOKEN]()]
    return {name: sum(a != b for a, b in zip(own, ids, strict=True)) for name, ids in found.items()}


def main() -> int:
    """Run both races; 0, or 1 where a file or an id differs."""
    parser = options(__doc__, megabytes=2.0)
    parser.add_argument("--vocab", type=int, default=8192)
    asked = parser.parse_args()
    one_thread()
    documents = draw(read(files_of(asked.text)), asked.megabytes)
    megabytes, texts = megabytes_of(documents), [each.text for each in documents]
    tokenizer = train_bpe(texts, asked.vocab)
    few = texts[:3]
    learning = race(
        [
            Side(OURS, lambda: train_bpe(texts, asked.vocab), lambda: train_bpe(few, 300)),
            Side(THEIRS, lambda: their_training(texts, asked.vocab), lambda: None),
        ],
        megabytes,
        asked.rounds,
    )
    same_file = Tokenizer(their_training(texts, asked.vocab)).fingerprint == tokenizer.fingerprint
    arrays = batches(documents)
    every = encoders(tokenizer, texts, arrays)
    sides = [Side(name, work, work) for name, work in every.items()]
    encoding = race(sides, megabytes, asked.rounds)
    first = first_passes(tokenizer, texts, arrays, megabytes, asked.rounds)
    differ = differing(tokenizer, texts, every)
    setting = f"{len(texts):,} texts, {megabytes:.2f} MB"
    report(asked, setting, learning, (encoding, first), differ, same_file)
    return 0 if same_file and not differ[THEIRS] else 1


def report(
    asked: object,
    setting: str,
    learning: dict[str, Figure],
    encodings: tuple[dict[str, Figure], dict[str, Figure]],
    differ: dict[str, int],
    same_file: bool,
) -> None:
    """The tables, the target, and the JSON."""
    outcome = Outcome(
        "race_tokens",
        "Learning and using a vocabulary, one thread",
        list(range(asked.rounds)),
        [f"{setting} of UTF-8, {asked.vocab:,} ids; MB for each CPU-second"],
    )
    encoding, first = encodings
    base, fresh = encoding[THEIRS], first[THEIRS]
    rows = [
        [
            name,
            rate,
            rate.over(base),
            first[name],
            first[name].over(fresh),
            str(differ.get(name, "")),
        ]
        for name, rate in encoding.items()
    ]
    columns = ["program", "MB/CPU-s", "over tokenizers", "first pass", "over tokenizers"]
    columns.append("texts with other ids")
    outcome.table("Encoding", columns, rows)
    trained = [[name, rate, rate.over(learning[THEIRS])] for name, rate in learning.items()]
    outcome.table("Learning the vocabulary", ["program", "MB/CPU-s", "over tokenizers"], trained)
    what = "encoding over tokenizers' rate, with identical ids"
    holds = differ[THEIRS] == 0
    outcome.target(what, ">=", WANTED, encoding[OURS].over(base), holds=holds)
    outcome.notes.append("the learned files are equal" if same_file else "the learned files DIFFER")
    outcome.versions = version_of("tokenizers", GIGATOKEN, "numba")
    outcome.close(asked.json)


if __name__ == "__main__":
    sys.exit(main())
