"""Figures that can be checked by hand."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from config_bach import Encoding
from families.events import baselines as module
from families.events.baselines import (
    ENOUGH,
    Known,
    baselines,
    longest_match,
    most_frequent,
    window_baselines,
)
from families.events.dataset import sequences
from families.events.encoding import learn_vocabulary
from families.steps import StepSequence
from music.events import Piece
from storage.vocabulary import Field

LETTERS = Field("pitch", ("?", "a", "b", "c", "d"), rare=5)
LENGTHS = Field("duration", ("?", "1", "2"), rare=2)


def ids(text: str) -> npt.NDArray[np.int32]:
    return np.array([LETTERS.ids.get(letter, 0) for letter in text], np.int32)


def known(train: str, held_out: str) -> Known:
    return Known.of([ids(t) for t in train.split()], [ids(t) for t in held_out.split()])


def test_what_is_known_and_what_is_asked() -> None:
    """All of the training pieces is seen, all but the first event of the others asked."""
    found = known("ab c", "dab a")
    assert found.ids.tolist() == [1, 2, -1, 3, -1, 4, 1, 2, -1, 1, -1]
    assert np.flatnonzero(found.seen).tolist() == [0, 1, 3]
    assert np.flatnonzero(found.asked).tolist() == [6, 7]


# the most frequent symbol


def test_most_frequent_counts_training_only() -> None:
    nats, accuracy, events = most_frequent(known("aaab", "bbba"), LETTERS)
    assert (accuracy, events) == (1 / 3, 3)
    assert nats == pytest.approx(-(2 * math.log(2 / 9) + math.log(4 / 9)) / 3)


def test_an_unknown_symbol_costs_the_choice_among_the_rare_ones() -> None:
    nats, accuracy, _ = most_frequent(known("aaa", "aX"), LETTERS)
    assert accuracy == 0
    assert nats == pytest.approx(-math.log(1 / 8) + math.log(5))


def test_the_unknown_symbol_is_not_guessed_even_if_it_is_the_commonest() -> None:
    assert most_frequent(known("XXXXb", "aXb"), LETTERS)[1] == 1 / 2


# the longest match


def test_witten_bell_by_hand() -> None:
    """After 'a' came b and c, once each: (1 + 2 x 2/9) / (2 + 2)."""
    nats, _, events = longest_match(known("abac", "ab"), LETTERS)
    assert events == 1
    assert nats == pytest.approx(-math.log(13 / 36))


def test_witten_bell_blends_from_short_to_long() -> None:
    """b after a: (2 + 3/11) / 3. d after b: (1 + 2 x 2/11) / 4 = 15/44; after ab (1 + 2 x 15/44) / 4."""
    nats, accuracy, events = longest_match(known("abcabd", "abd"), LETTERS)
    assert (accuracy, events) == (1 / 2, 2)  # of c and d, equally often, the first
    assert nats == pytest.approx(-(math.log(25 / 33) + math.log(37 / 88)) / 2)


def test_an_unknown_symbol_costs_more_here_too_and_is_never_right() -> None:
    nats, accuracy, _ = longest_match(known("aX aX", "aX"), LETTERS)
    unknown = 3 / 9  # X twice, a twice, each and b, c, d once more
    assert nats == pytest.approx(-math.log((2 + unknown) / 3) + math.log(5))
    assert accuracy == 0
    assert longest_match(known("aX aX ab", "ab"), LETTERS)[1] == 1  # '?' is not guessed


@pytest.mark.parametrize(
    ("length", "orders"),
    zip(
        [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 16, 23, 24, 31, 32, 99],
        [1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 8, 8, 9, 9, 10, 10],
        strict=True,
    ),
)
def test_a_match_is_trusted_once_for_each_order_up_to_its_length(length: int, orders: int) -> None:
    """With one match and one follower each order takes half of what is left to doubt."""
    frequencies = np.array([0.25, 0.25, 0.5])
    lengths, following = np.array([length], np.int32), np.array([2], np.int32)
    found = module._blended(lengths, following, 2, frequencies)
    assert found == pytest.approx(1 - 0.5 / 2**orders, abs=1e-12)


def test_lookup_repeats_what_it_has_seen() -> None:
    assert longest_match(known("abcdabcd", "abcd"), LETTERS)[1] == 1.0


def test_lookup_prefers_the_longest_match() -> None:
    _, accuracy, _ = longest_match(known("abc cbd cbd", "abc"), LETTERS)
    assert accuracy == 1.0  # 'ab' was followed by c, though 'b' alone more often by d


def test_of_equally_long_matches_the_commonest_follower_counts() -> None:
    assert longest_match(known("ab ac ac", "ac"), LETTERS)[1] == 1.0


def test_where_nothing_matches_the_commonest_symbol_is_guessed() -> None:
    assert longest_match(known("bcc", "ac"), LETTERS)[1] == 1.0
    assert longest_match(known("bcc", "ab"), LETTERS)[1] == 0.0


def test_lookup_hears_the_piece_itself_but_not_its_future() -> None:
    assert longest_match(known("dd", "abcabcabc"), LETTERS)[1] == 5 / 8
    assert longest_match(known("dd", "abc"), LETTERS)[1] == 0.0


def test_what_was_just_heard_is_no_match_of_itself() -> None:
    """In 'aa' the second a follows no earlier a: only frequency is known. The third follows one."""
    nats, _, _ = longest_match(known("bb", "aa"), LETTERS)
    assert nats == pytest.approx(-math.log(1 / 7))
    both, _, _ = longest_match(known("bb", "aaa"), LETTERS)
    assert 2 * both - nats == pytest.approx(-math.log((1 + 1 / 7) / 2))


def test_nothing_needs_to_have_been_seen() -> None:
    """The piece that is asked may be the first one: b, a, b, and at last a match of ab."""
    nats, accuracy, events = longest_match(known("", "abab"), LETTERS)
    assert (accuracy, events) == (2 / 3, 3)
    assert nats == pytest.approx(-(2 * math.log(1 / 5) + math.log((1 + 1 / 5) / 2)) / 3)


def test_lookup_does_not_hear_other_held_out_pieces() -> None:
    alone, _, _ = longest_match(known("dd", "abc"), LETTERS)
    together, _, events = longest_match(known("dd", "abc abc"), LETTERS)
    assert together == pytest.approx(alone)
    assert events == 4


def test_the_end_of_a_piece_is_no_follower() -> None:
    nats, _, _ = longest_match(known("ba bac", "ac"), LETTERS)
    assert nats == pytest.approx(-math.log((1 + 2 / 10) / 2))


def test_a_match_does_not_reach_over_the_end_of_a_piece() -> None:
    """'b' of the second piece was preceded by nothing, so it is matched with length 1."""
    nats, _, _ = longest_match(known("a bc", "abc"), LETTERS)
    b = (0 + 2 / 8) / 1  # nothing followed 'a': its frequency
    c = (1 + 2 / 8) / 2
    assert nats == pytest.approx(-(math.log(b) + math.log(c)) / 2)


def test_lookup_nats_are_a_distribution() -> None:
    """The probabilities that the blend gives to all symbols after the same history sum to one."""
    nats = []
    for last in "abcd?":
        first, _, _ = longest_match(known("abcabd", "ab"), LETTERS)
        both, _, n = longest_match(known("abcabd", f"ab{last}"), LETTERS)
        nats.append(both * n - first - (math.log(5) if last == "?" else 0))
    assert sum(math.exp(-x) for x in nats) == pytest.approx(1)


def test_enough_events_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The piece in which the number is reached is the last one."""
    monkeypatch.setattr(module, "ENOUGH", 4)
    assert longest_match(known("ab", "aba aba aba"), LETTERS)[2] == 4
    monkeypatch.setattr(module, "ENOUGH", 5)
    assert longest_match(known("ab", "aba aba aba"), LETTERS)[2] == 6
    assert longest_match(known("ab", "a"), LETTERS) == (0.0, 0.0, 0)


# both, on sequences


def whole(text: str, lengths: str) -> StepSequence:
    """A piece of letters and lengths, with a column more as lookback would add it."""
    pairs = np.stack([ids(text), np.array([int(x) for x in lengths], np.int32)], 1)
    rows = np.concatenate([pairs[:-1], np.full((len(pairs) - 1, 1), 9)], 1)
    return StepSequence(text, rows.astype(np.int32), pairs[1:])


def test_fields_are_summed_and_the_first_is_the_accuracy() -> None:
    train, held_out = [whole("aaab", "1112")], [whole("bbba", "1222")]
    found = baselines(train, held_out, [LETTERS, LENGTHS])
    frequent = found["most frequent symbol"]
    pitch = -(2 * math.log(2 / 9) + math.log(4 / 9)) / 3
    assert frequent["accuracy"] == round(1 / 3, 5)
    assert frequent["fields"] == {"pitch": round(pitch, 5), "duration": round(math.log(7 / 2), 5)}
    assert frequent["nll"] == pytest.approx(pitch + math.log(7 / 2), abs=1e-5)
    assert frequent["events"] == found["longest-match lookup"]["events"] == 3
    alone = longest_match(known("aaab", "bbba"), LETTERS)
    assert found["longest-match lookup"]["fields"]["pitch"] == round(alone[0], 5)
    assert found["longest-match lookup"]["accuracy"] == round(alone[1], 5)


def test_divided_by_window_events_count_by_their_own_side() -> None:
    """Side 0 is seen, side 1 is asked; the first events and side 2 are neither."""
    pieces = [whole("abcda", "11112"), whole("bba", "222")]
    sides = [np.array([-1, -1, 0, 1, 2], np.int32), np.array([-1, 0, 1], np.int32)]
    found = window_baselines(pieces, sides, [LETTERS, LENGTHS])
    frequent = found["most frequent symbol"]
    pitch = -(math.log(1 / 7) + math.log(1 / 7)) / 2  # seen: c and b; asked: d and a
    duration = -(math.log(2 / 5) + math.log(2 / 5)) / 2  # seen: 1 and 2; asked: 1 and 2
    assert frequent["fields"] == {"pitch": round(pitch, 5), "duration": round(duration, 5)}
    assert frequent["events"] == found["longest-match lookup"]["events"] == 2
    # d follows c, of which nothing more is known; a follows b, after which c and b were seen
    lookup = -(math.log(1 / 7) + math.log((0 + 2 * 1 / 7) / (2 + 2))) / 2
    assert found["longest-match lookup"]["fields"]["pitch"] == round(lookup, 5)


def test_lookup_beats_frequency_on_music_that_repeats(tunes: list[Piece]) -> None:
    vocabulary = learn_vocabulary(tunes[:9], Encoding(), True)
    made = sequences(tunes, vocabulary, lookback=True)
    figures: dict[str, Any] = baselines(made[:9], made[9:], vocabulary.fields)
    lookup, frequent = figures["longest-match lookup"], figures["most frequent symbol"]
    assert lookup["nll"] < 0.7 * frequent["nll"]
    assert lookup["accuracy"] > 0.6
    assert lookup["events"] == sum(len(p) - 1 for p in tunes[9:]) <= ENOUGH
    assert lookup["nll"] == pytest.approx(sum(lookup["fields"].values()), abs=1e-4)
