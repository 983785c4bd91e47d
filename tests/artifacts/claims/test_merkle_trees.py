"""Against the published vectors, and against RFC 6962's own recursive definition."""

from __future__ import annotations

import hashlib

import pytest

from farthing.artifacts.claims.merkle import inclusion_proof, leaf_hash, root, verify_inclusion

# The vectors of the certificate-transparency project (merkletree/merkle_tree_test).
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
MOST = 33
MANY = [bytes([number]) * number for number in range(MOST)]


def tree_hash(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    half = largest_power_below(len(leaves))
    return hashlib.sha256(b"\x01" + tree_hash(leaves[:half]) + tree_hash(leaves[half:])).digest()


def audit_path(place: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    half = largest_power_below(len(leaves))
    if place < half:
        return [*audit_path(place, leaves[:half]), tree_hash(leaves[half:])]
    return [*audit_path(place - half, leaves[half:]), tree_hash(leaves[:half])]


def largest_power_below(count: int) -> int:
    half = 1
    while half * 2 < count:
        half *= 2
    return half


@pytest.mark.parametrize("count", range(len(ROOTS)))
def test_the_published_roots(count):
    assert root(LEAVES[:count]) == ROOTS[count]


def test_a_leaf_is_hashed_apart_from_nodes():
    assert leaf_hash(b"").hex() == ROOTS[1]
    assert leaf_hash(b"abc") == hashlib.sha256(b"\x00abc").digest()


@pytest.mark.parametrize("count", range(1, MOST))
def test_roots_and_paths_of_the_recursive_definition(count):
    leaves = MANY[:count]
    assert root(leaves) == tree_hash(leaves).hex()
    for index in range(count):
        path = inclusion_proof(leaves, index)
        assert path == tuple(each.hex() for each in audit_path(index, leaves))
        assert verify_inclusion(
            leaves[index], index=index, count=count, proof=path, root_digest=root(leaves)
        )


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7, 8])
def test_a_proof_shows_one_leaf_at_one_place_of_one_tree(count):
    leaves, digest = MANY[:count], root(MANY[:count])
    for index in range(count):
        path = inclusion_proof(leaves, index)
        for other in range(count):
            holds = verify_inclusion(
                leaves[other], index=index, count=count, proof=path, root_digest=digest
            )
            assert holds == (other == index)
            moved = verify_inclusion(
                leaves[index], index=other, count=count, proof=path, root_digest=digest
            )
            assert moved == (other == index)
        for changed in broken(path):
            assert not verify_inclusion(
                leaves[index], index=index, count=count, proof=changed, root_digest=digest
            )


def broken(path: tuple[str, ...]):
    yield (*path, "00" * 32)
    yield ("00" * 32, *path)
    if path:
        yield path[:-1]
        yield path[1:]
        yield ("0" * 64, *path[1:])
        yield (path[0].upper(), *path[1:]) if path[0].upper() != path[0] else ("", *path[1:])
        yield (path[0][:-2], *path[1:])
        yield ("zz" * 32, *path[1:])
    if len(path) > 1:
        yield tuple(reversed(path))


@pytest.mark.parametrize(("index", "count"), [(-1, 3), (3, 3), (0, 0), (7, 3)])
def test_there_is_no_proof_outside_of_the_tree(index, count):
    with pytest.raises(IndexError):
        inclusion_proof(MANY[:count], index)
    assert not verify_inclusion(MANY[0], index=index, count=count, proof=(), root_digest=ROOTS[1])


def test_a_node_is_not_taken_for_a_leaf():
    left, right = leaf_hash(MANY[0]), leaf_hash(MANY[1])
    assert root([left + right]) != root(MANY[:2])
    # The tree of the first two is one node of the tree of four, and no leaf of it.
    four = MANY[:4]
    assert not verify_inclusion(
        left + right,
        index=0,
        count=2,
        proof=[root(four[2:])],
        root_digest=root(four),
    )
