"""The counts of the listening test: kept, by model, by several processes; a bad file is named."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import SHIPPED

from config_bach import Paths, UserError
from storage.answers import Counts, answers_of, fingerprint_of
from storage.bundle import load


def test_answers_are_counted_by_model_and_kept(paths: Paths) -> None:
    assert answers_of(paths).of("a", "1") == Counts() == Counts(0, 0, 0, 0)
    assert not list(paths.root.glob("answers*"))  # to ask makes no file
    for real, right in ((True, True), (True, False), (False, True), (False, True), (False, False)):
        answers_of(paths).add("a", "1", real, right)
    answers_of(paths).add("a", "2", True, True)
    answers_of(paths).add("b", "1", False, False)
    kept = answers_of(paths)
    assert kept.of("a", "1") == Counts(2, 1, 3, 2)
    assert (kept.of("a", "1").answers, kept.of("a", "1").right) == (5, 3)
    assert kept.of("a", "2") == Counts(1, 1, 0, 0)
    assert kept.of("b", "1") == Counts(0, 0, 1, 0)


def test_none_is_lost_when_several_count_at_once(paths: Paths) -> None:
    def add(i: int) -> None:
        answers_of(paths).add("a", "1", i % 2 == 0, i % 4 == 0)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(24)))
    assert answers_of(paths).of("a", "1") == Counts(12, 6, 12, 0)


def test_a_damaged_file_is_named_and_what_to_do(paths: Paths) -> None:
    (paths.root / "answers.db").write_bytes(b"no database at all" * 50)
    with pytest.raises(UserError, match=r"answers\.db cannot be used.*move the file away"):
        answers_of(paths).of("a", "1")
    with pytest.raises(UserError, match=r"answers\.db cannot be used"):
        answers_of(paths).add("a", "1", True, True)
    gone = Paths(Path(paths.root / "gone"))
    with pytest.raises(UserError, match=r"answers\.db cannot be used"):
        answers_of(gone).add("a", "1", True, True)


def test_a_network_is_known_in_any_variant_and_another_is_not() -> None:
    bundle = load(SHIPPED, weights=False)
    known = fingerprint_of(bundle)
    assert known == fingerprint_of(load(SHIPPED))
    assert known == fingerprint_of(replace(bundle, steps={}, name="x").with_metadata(variants={}))
    assert known != fingerprint_of(bundle.with_metadata(history=[]))
