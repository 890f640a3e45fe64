"""The symbols of a field, the commonest first; '?' stands for those too rare to learn."""

import json
import math

import pytest

from config_bach import Encoding, UserError
from storage.vocabulary import UNKNOWN, Field, Vocabulary


def test_the_commonest_symbols_come_first_and_rare_ones_are_left_out() -> None:
    field = Field.of("pitch", "abbbccd", min_count=2)
    assert field.symbols == (UNKNOWN, "b", "c")
    assert field.ids == {UNKNOWN: 0, "b": 1, "c": 2}
    assert field.rare == 2
    assert field.unknown_nats == pytest.approx(math.log(2))


def test_where_no_symbol_is_rare_the_unknown_one_costs_nothing_more() -> None:
    field = Field.of("pitch", "aabb", min_count=2)
    assert field.rare == 1
    assert field.unknown_nats == 0
    assert Field.of("pitch", "a", min_count=1).symbols == (UNKNOWN, "a")


def test_a_vocabulary_comes_back_from_json() -> None:
    fields = (Field.of("pitch", "aab", 1), Field.of("duration", ["1", "1/3"], 1))
    vocabulary = Vocabulary(Encoding(transpose=3, normal=True), fields, 5, 77)
    again = Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json())))
    assert again == vocabulary
    assert (Vocabulary(Encoding(), ()).octave, Vocabulary(Encoding(), ()).velocity) == (4, 90)


@pytest.mark.parametrize("what", ["encoding", "octave", "velocity", "fields"])
def test_a_vocabulary_that_lacks_something_is_refused(what: str) -> None:
    data = Vocabulary(Encoding(), ()).to_json()
    del data[what]
    with pytest.raises(KeyError, match=what):
        Vocabulary.from_json(data)


def test_an_encoding_that_this_version_does_not_know_is_refused() -> None:
    data = Vocabulary(Encoding(), ()).to_json()
    data["encoding"]["colour"] = "red"
    with pytest.raises(UserError, match="settings of Encoding are not understood"):
        Vocabulary.from_json(data)
