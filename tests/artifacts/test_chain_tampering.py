from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from farthing.artifacts.chain import NOTHING_BEFORE, ChainFile, Head, Signer, seal, walk
from farthing.errors import BookError

ENTRIES = 5


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


@pytest.fixture
def chain(tmp_path: Path, signer: Signer) -> ChainFile:
    path = tmp_path / "book.jsonl"
    head, data = Head(0, NOTHING_BEFORE), b""
    for number in range(ENTRIES):
        body = {"public_key": signer.public.hex()} if number == 0 else {"x": number / 3, "文": "é"}
        line = seal(signer, head, "genesis" if number == 0 else "event", body, "2026-01-01T00:00Z")
        head, data = Head(number + 1, hashlib.sha256(line).hexdigest()), data + line
    path.write_bytes(data)
    return ChainFile(path)


def test_a_line_verifies_with_nothing_but_hashlib_json_and_the_public_key(chain, signer):
    previous = "0" * 64
    for line in chain.path.read_bytes().splitlines(keepends=True):
        entry = json.loads(line)
        assert entry["prev"] == previous
        assert entry["key"] == hashlib.sha256(signer.public).hexdigest()
        signature = bytes.fromhex(entry.pop("sig"))
        # For these values, sorted compact JSON is what RFC 8785 prescribes.
        content = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        Ed25519PublicKey.from_public_bytes(signer.public).verify(signature, content.encode())
        previous = hashlib.sha256(line).hexdigest()


def test_every_changed_byte_is_detected_and_located(chain):
    data = chain.path.read_bytes()
    starts = [0]
    starts += [i + 1 for i, byte in enumerate(data) if byte == 0x0A][:-1]
    lines = data.splitlines(keepends=True)
    for number, start in enumerate(starts):
        for offset in range(len(lines[number])):
            changed = bytearray(data)
            changed[start + offset] ^= 1 << (offset % 8)
            chain.path.write_bytes(changed)
            with pytest.raises(BookError) as caught:
                list(walk(chain))
            assert f"line {number + 1} (entry {number}," in caught.value.what, (number, offset)
            assert caught.value.remedy


def test_every_removed_or_doubled_byte_is_detected(chain):
    data = chain.path.read_bytes()
    for offset in range(0, len(data), 7):
        for changed in (
            data[:offset] + data[offset + 1 :],
            data[: offset + 1] + data[offset:],
        ):
            if changed == data:
                continue
            chain.path.write_bytes(changed)
            with pytest.raises(BookError):
                list(walk(chain))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'{"body"', b'{ "body"'),
        (b'"kind":"event"', b'"kind":"event","kind":"event"'),
        (b'"n":1,', b'"n":1.0,'),
        (b"}\n", b"}\r\n"),
        ("文".encode(), b"\\u6587"),
    ],
)
def test_a_second_spelling_of_the_same_entry_is_refused(chain, old, new):
    data = chain.path.read_bytes()
    assert old in data
    chain.path.write_bytes(data.replace(old, new, 1))
    with pytest.raises(BookError, match="not canonical"):
        list(walk(chain))


def test_capital_hex_in_a_signature_is_refused(chain):
    first, *rest = chain.path.read_bytes().splitlines(keepends=True)
    signature = json.loads(first)["sig"].encode()
    chain.path.write_bytes(first.replace(signature, signature.upper()) + b"".join(rest))
    with pytest.raises(BookError, match=r"line 1 .*signature"):
        list(walk(chain))


@pytest.mark.parametrize("cut", range(1, ENTRIES))
def test_a_cut_tail_shows_when_the_head_is_known(chain, cut):
    head = list(walk(chain))[-1].head
    lines = chain.path.read_bytes().splitlines(keepends=True)
    chain.path.write_bytes(b"".join(lines[:-cut]))
    assert len(list(walk(chain))) == ENTRIES - cut  # without the head nothing shows
    with pytest.raises(BookError) as caught:
        list(walk(chain, known=head))
    assert f"ends after entry {ENTRIES - cut}, but {ENTRIES} were recorded" in caught.value.what


def test_a_removed_or_swapped_line_is_located(chain):
    lines = chain.path.read_bytes().splitlines(keepends=True)
    chain.path.write_bytes(b"".join([lines[0], *lines[2:]]))
    with pytest.raises(BookError, match=r"line 2 .*number is 2, expected 1"):
        list(walk(chain))
    chain.path.write_bytes(b"".join([lines[0], lines[2], lines[1], *lines[3:]]))
    with pytest.raises(BookError, match="line 2 "):
        list(walk(chain))


def test_a_tail_rewritten_with_the_same_key_differs_from_the_known_head(chain, signer):
    entries = list(walk(chain))
    lines = chain.path.read_bytes().splitlines(keepends=True)
    forged = seal(signer, entries[-2].head, "event", {"x": 0}, "2026-01-01T00:00Z")
    chain.path.write_bytes(b"".join(lines[:-1]) + forged)
    list(walk(chain))
    with pytest.raises(BookError, match=rf"line {ENTRIES} .*recorded head"):
        list(walk(chain, known=entries[-1].head))


def test_an_entry_signed_by_another_key_is_refused(chain):
    other = Signer(Ed25519PrivateKey.generate())
    head = list(walk(chain))[-1].head
    with chain.path.open("ab") as file:
        file.write(seal(other, head, "event", {}, "2026-01-01T00:00Z"))
    with pytest.raises(BookError, match=rf"line {ENTRIES + 1} .*another key"):
        list(walk(chain))


@pytest.mark.parametrize("number", [1e15, 2.0**53, 1e20, 9.9e20, 1e21, 1.5e300, -0.0, 5e-324])
def test_large_and_odd_floats_survive_the_round_trip(tmp_path, signer, number):
    path = tmp_path / "floats.jsonl"
    body = {"public_key": signer.public.hex(), "flops": number}
    path.write_bytes(seal(signer, Head(0, NOTHING_BEFORE), "genesis", body, "t"))
    (entry,) = walk(ChainFile(path))
    assert entry.body["flops"] == number


def test_a_torn_tail_is_passed_over_only_while_it_is_no_whole_entry(chain):
    data = chain.path.read_bytes()
    torn = ChainFile(chain.path, torn_tail=True)
    last = len(data.splitlines(keepends=True)[-1])
    for cut in range(2, last, 5):
        chain.path.write_bytes(data[:-cut])
        assert len(list(walk(torn))) == ENTRIES - 1
    for changed in (data[:-1], data[:-1] + b"\r", data[:-1] + b"x", data[:-1] + b"\n{}"):
        chain.path.write_bytes(changed)
        with pytest.raises(BookError, match="no newline ends the last line") as caught:
            list(walk(torn))
        assert "newline" in caught.value.remedy


def test_a_book_that_does_not_reach_its_head_may_be_one_of_two_copies(chain, signer):
    entries = list(walk(chain))
    lines = chain.path.read_bytes().splitlines(keepends=True)
    forged = seal(signer, entries[-2].head, "event", {"x": 0}, "2026-01-01T00:00Z")
    for tail in (b"", forged):
        chain.path.write_bytes(b"".join(lines[:-1]) + tail)
        with pytest.raises(BookError) as caught:
            list(walk(chain, known=entries[-1].head))
        assert "two copies of this workspace" in caught.value.remedy
        assert "FARTHING_HOME" in caught.value.remedy
