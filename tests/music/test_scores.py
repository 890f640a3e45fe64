"""A part is found by number or name; what a file holds is counted where there is something to lose."""

import pytest

from music.scores import INSTRUMENTS, PARTS, TEMPI, Refused, part_number, several

NAMES = ["Soprano", "Alto", "Tenor", "Bass", "bass"]


@pytest.mark.parametrize(
    ("wanted", "number"), [("1", 0), ("5", 4), ("alto", 1), ("TENOR", 2), (" sop ", 0), ("ten", 2)]
)
def test_a_part_is_found_by_its_number_or_its_name(wanted: str, number: int) -> None:
    assert part_number(NAMES, wanted) == number


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ("0", "there is no part 0, only 1 Soprano, 2 Alto, 3 Tenor, 4 Bass, 5 bass"),
        ("6", "there is no part 6, only 1 Soprano"),
        ("-1", "no part is called '-1', only 1 Soprano"),
        ("o", "several parts are called 'o', give a number: 1 Soprano"),
        ("Bass", "several parts are called 'Bass', give a number"),
        ("drum", "no part is called 'drum', only 1 Soprano"),
    ],
)
def test_the_parts_are_listed_where_none_is_found(wanted: str, reason: str) -> None:
    with pytest.raises(Refused) as refusal:
        part_number(NAMES, wanted)
    assert str(refusal.value).startswith(reason)


def test_a_long_list_of_parts_is_cut() -> None:
    with pytest.raises(Refused, match=r"20 Part 20, and 80 more$"):
        part_number([f"Part {i}" for i in range(1, 101)], "tuba")


def test_the_only_part_of_a_name_is_meant_also_where_another_contains_it() -> None:
    assert part_number(["Violin", "Violin II"], "violin") == 0


def test_one_part_and_one_instrument_are_nothing_to_lose() -> None:
    assert several({PARTS: 1, INSTRUMENTS: 1, TEMPI: 1}) == {TEMPI: 1}
    assert several({PARTS: 2, INSTRUMENTS: 3, TEMPI: 0}) == {PARTS: 2, INSTRUMENTS: 3}
