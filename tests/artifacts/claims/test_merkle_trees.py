"""Against the published vectors, and against RFC 6962's own recursive definition."""

from __future__ import annotations

import hashlib

import pytest

from farthing.artifacts.claims.merkle import leaf_hash, root

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
def test_roots_of_the_recursive_definition(count):
    assert root(MANY[:count]) == tree_hash(MANY[:count]).hex()


def test_a_node_is_not_taken_for_a_leaf():
    left, right = leaf_hash(MANY[0]), leaf_hash(MANY[1])
    assert root([left + right]) != root(MANY[:2])
