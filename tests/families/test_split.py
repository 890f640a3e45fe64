"""The split is honest: what is held out was never learned from, in whatever key."""

from collections.abc import Sequence

import pytest
from conftest import tune

from families.split import LABELS, divided, split
from music.events import Piece


def names(pieces: Sequence[Piece]) -> set[str]:
    return {p.name for p in pieces}


def test_whole_pieces_go_70_20_10(tunes: list[Piece]) -> None:
    parts = split(tunes, seed=1, kind="piece")
    assert parts.kind == "piece"
    assert [len(s) for s in (parts.train, parts.valid, parts.test)] == [9, 2, 1]
    assert not names(parts.train) & (names(parts.valid) | names(parts.test))


@pytest.mark.parametrize(
    ("pieces", "sizes"), [(3, [1, 1, 1]), (4, [2, 1, 1]), (8, [5, 2, 1]), (26, [18, 5, 3])]
)
def test_shares_are_rounded_and_no_side_is_empty(pieces: int, sizes: list[int]) -> None:
    music = [tune(40 + i, 20 + i) for i in range(pieces)]
    parts = split(music, 1, "piece")
    assert [len(s) for s in (parts.train, parts.valid, parts.test)] == sizes


def test_the_seed_decides_the_split(tunes: list[Piece]) -> None:
    assert split(tunes, 1, "piece") == split(tunes, 1, "piece")
    others = [names(split(tunes, seed, "piece").valid) for seed in (2, 3)]
    assert any(valid != names(split(tunes, 1, "piece").valid) for valid in others)


def test_the_order_of_the_files_does_not(tunes: list[Piece]) -> None:
    there, back = split(tunes, 1, "piece"), split(tunes[::-1], 1, "piece")
    assert names(there.valid) == names(back.valid)


def test_copies_in_other_keys_stay_on_one_side(tunes: list[Piece]) -> None:
    copies = [p.transposed(3) for p in tunes]
    parts = split([*tunes, *copies], 1, "piece")
    sides = [{p.fingerprint for p in side} for side in (parts.train, parts.valid, parts.test)]
    assert not sides[0] & sides[1]
    assert not (sides[0] | sides[1]) & sides[2]
    assert len(parts.train) == 18


def test_a_later_corpus_keeps_the_sides_of_known_pieces(tunes: list[Piece]) -> None:
    before = split(tunes[:10], 1, "piece")
    after = split(tunes, 1, "piece", before.table())
    assert names(after.valid) == names(before.valid)
    assert names(after.test) == names(before.test)
    assert names(tunes[10:]) <= names(after.train)


def test_pieces_that_are_new_fill_up_the_shares(tunes: list[Piece]) -> None:
    before = split(tunes[:4], 1, "piece")
    after = split(tunes, 1, "piece", before.table())
    for side in ("train", "valid", "test"):
        assert names(getattr(before, side)) <= names(getattr(after, side))
    assert [len(s) for s in (after.train, after.valid, after.test)] == [9, 2, 1]


def test_of_other_pieces_as_many_are_held_out_as_of_any(tunes: list[Piece]) -> None:
    others = [tune(90 + i, 20 + i) for i in range(10)]
    assert split(others, 1, "piece", split(tunes, 1, "piece").table()) == split(others, 1, "piece")


def test_a_piece_whose_beginning_was_learned_from_is_not_held_out(tunes: list[Piece]) -> None:
    before = split([tunes[0].transposed(1)], 1, "piece")
    assert before.kind == "within"
    for seed in range(4):
        after = split(tunes[:4], seed, "piece", before.table())
        assert tunes[0] in after.train


def test_a_file_that_was_edited_stays_where_it_was(tunes: list[Piece]) -> None:
    before = split(tunes, 1, "piece")
    edited = [p.part(1, len(p), p.name) for p in tunes]
    after = split(edited, 2, "piece", before.table())
    for side in ("train", "valid", "test"):
        assert names(getattr(before, side)) == names(getattr(after, side))


@pytest.mark.parametrize("number", [1, 2])
def test_too_few_pieces_are_cut_and_labelled(number: int) -> None:
    music = [tune(50, 50), tune(52, 80)][:number]
    parts = split(music, 1, "piece")
    assert parts.kind == "within"
    assert "LEAKS" in LABELS[parts.kind]
    for whole, *cut in zip(music, parts.train, parts.valid, parts.test, strict=True):
        a, b, c = cut
        assert a.events + b.events + c.events == whole.events
        assert [len(p) for p in cut] == [round(len(whole) * share) for share in (0.7, 0.2, 0.1)]
        assert [p.name for p in cut] == [
            f"{whole.name} ({part})" for part in ("beginning", "middle", "end")
        ]


def test_two_copies_of_one_piece_are_too_few() -> None:
    assert split([tune(50), tune(51), tune(52)], 1, "piece").kind == "within"


def test_divided_by_window_every_piece_is_on_every_side(tunes: list[Piece]) -> None:
    parts = split(tunes, 1, "window")
    assert parts.kind == "window"
    assert parts.train == parts.valid == parts.test == tuple(tunes)
    assert "LEAKS" in LABELS["window"]


def test_given_sides_are_kept(tunes: list[Piece]) -> None:
    parts = divided(tunes[:4], ["test", "train", "valid", "train"], "given")
    assert parts.kind == "given"
    assert [p.name for p in parts.train] == [tunes[1].name, tunes[3].name]
    assert (parts.valid, parts.test) == ((tunes[2],), (tunes[0],))
    with pytest.raises(ValueError, match="zip"):
        divided(tunes[:4], ["train"], "given")


def test_the_table_names_every_piece_with_its_side(tunes: list[Piece]) -> None:
    table = divided(tunes[:3], ["test", "train", "valid"], "given").table()
    assert [(row["name"], row["side"], row["events"]) for row in table] == [
        (tunes[1].name, "train", 53),
        (tunes[2].name, "valid", 56),
        (tunes[0].name, "test", 50),
    ]
    assert table[0]["fingerprint"] == tunes[1].fingerprint
