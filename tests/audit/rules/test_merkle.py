"""The tree: answers that others published, and proofs over random trees."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.rules import merkle
from audit.rules.merkle import NotProved

# The inputs of the reference implementation (google/certificate-transparency, merkletree tests), and its roots.
INPUTS = [
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
LEAVES = [merkle.leaf_hash(data) for data in INPUTS]


def nodes_of(leaves: list[bytes]) -> merkle.GetNode:
    """Full subtrees, by the definition; asking for others is an error."""

    def get(level: int, index: int) -> bytes:
        end = (index + 1) << level
        assert end <= len(leaves)
        if level == 0:
            return leaves[index]
        return merkle.node_hash(get(level - 1, 2 * index), get(level - 1, 2 * index + 1))

    return get


def by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    left, right = by_definition(leaves[:k]), by_definition(leaves[k:])
    return sha256(b"\x01" + left + right).digest()


def numbered(size: int) -> list[bytes]:
    return [merkle.leaf_hash(str(n).encode()) for n in range(size)]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size: int) -> None:
    leaves = LEAVES[:size]

    assert merkle.root_of(leaves).hex() == ROOTS[size]
    assert merkle.root(size, nodes_of(leaves)).hex() == ROOTS[size]


@pytest.mark.parametrize(
    ("index", "size", "path"),
    [
        (0, 1, []),
        (
            0,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
        (
            1,
            5,
            [
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_paths_are_the_published_ones(index: int, size: int, path: list[str]) -> None:
    found = merkle.inclusion(size, index, nodes_of(LEAVES[:size]))

    assert [step.hex() for step in found] == path


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        (1, 1, []),
        (
            1,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            [
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_consistency_paths_are_the_published_ones(old: int, new: int, path: list[str]) -> None:
    found = merkle.consistency(old, new, nodes_of(LEAVES[:new]))

    assert [step.hex() for step in found] == path


@given(st.integers(0, 600))
def test_roots_are_as_defined(size: int) -> None:
    leaves = numbered(size)

    assert merkle.root_of(leaves) == by_definition(leaves)
    assert merkle.root(size, nodes_of(leaves)) == by_definition(leaves)


@given(st.data())
def test_every_leaf_is_proved_and_no_other(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 600))
    index = data.draw(st.integers(0, size - 1))
    leaves = numbered(size)
    path = merkle.inclusion(size, index, nodes_of(leaves))
    whole = merkle.root_of(leaves)

    assert merkle.root_from_inclusion(index, size, leaves[index], path) == whole
    assert merkle.root_from_inclusion(index, size, bytes(32), path) != whole
    if path:
        spoilt = data.draw(st.integers(0, len(path) - 1))
        changed = path[:spoilt] + [bytes(32)] + path[spoilt + 1 :]
        assert merkle.root_from_inclusion(index, size, leaves[index], changed) != whole
        with pytest.raises(NotProved):
            merkle.root_from_inclusion(index, size, leaves[index], path[:-1])
    with pytest.raises(NotProved):
        merkle.root_from_inclusion(index, size, leaves[index], [*path, bytes(32)])


@given(st.data())
def test_two_sizes_are_proved_and_forks_are_not(data: st.DataObject) -> None:
    new = data.draw(st.integers(0, 600))
    old = data.draw(st.integers(0, new))
    leaves = numbered(new)
    path = merkle.consistency(old, new, nodes_of(leaves))
    before, after = merkle.root_of(leaves[:old]), merkle.root_of(leaves)

    merkle.check_consistency(old, new, before, after, path)

    if old:
        forked = merkle.root_of([bytes(32), *leaves[1:old]])
        with pytest.raises(NotProved):
            merkle.check_consistency(old, new, forked, after, path)
    with pytest.raises(NotProved):
        merkle.check_consistency(old, new, before, after, [*path, bytes(32)])


@given(st.data())
def test_many_leaves_are_proved_at_once(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 400))
    indexes = sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=1)))
    leaves = numbered(size)
    runs = merkle.runs_of(indexes)
    hashes = merkle.multi(size, runs, nodes_of(leaves))
    chosen = [leaves[index] for index in indexes]

    assert merkle.root_from_multi(size, runs, chosen, hashes) == merkle.root_of(leaves)
    assert merkle.root_from_multi(size, runs, [bytes(32), *chosen[1:]], hashes) != merkle.root_of(
        leaves
    )
    with pytest.raises(NotProved):
        merkle.root_from_multi(size, runs, chosen[:-1], hashes)
    with pytest.raises(NotProved):
        merkle.root_from_multi(size, runs, chosen, [*hashes, bytes(32)])
