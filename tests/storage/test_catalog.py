"""The bundle that --app means is found, or what there is is named."""

import json
import os
import zipfile
from pathlib import Path

import pytest
from chorales import untrained_bundle

from config_bach import Paths, UserError
from storage import catalog
from storage.bundle import manifest_of


def put(paths: Paths, name: str, saved: str) -> Path:
    """A bundle of that name, saved at that time."""
    path = catalog.path_of(name, paths)
    untrained_bundle(2, 2).save(path)
    manifest = {**manifest_of(path), "saved": saved}
    with zipfile.ZipFile(path) as file:
        weights = file.read("weights.npz")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("bundle.json", json.dumps(manifest))
        file.writestr("weights.npz", weights)
    return path


def test_the_latest_bundle_of_an_app_is_chosen(paths: Paths) -> None:
    first, second = put(paths, "x1_nc_mo", "2030"), put(paths, "x2_nc_mo", "2029")
    assert catalog.choose("x", None, paths) == first
    assert catalog.choose("x", 2, paths) == second
    assert catalog.choose("x2_nc_mo", None, paths) == second
    assert list(catalog.available(paths)) == ["x2_nc_mo", "x1_nc_mo"]


def test_an_app_answers_to_its_whole_name_only(paths: Paths) -> None:
    put(paths, "bach12_nc_mo", "2030")
    assert catalog.choose("bach", 12, paths).stem == "bach12_nc_mo"
    assert catalog.choose("bach", None, paths).stem == "bach12_nc_mo"
    for app, number in (("bac", None), ("bach1", 1), ("bach", 1), ("bach", 2), ("b.ch", None)):
        with pytest.raises(UserError, match="no model"):
            catalog.choose(app, number, paths)


def test_what_there_is_is_named_where_nothing_answers(paths: Paths) -> None:
    told = r"no model 'y' in .*: there are none yet; train it with -l 0 -f --app y\."
    with pytest.raises(UserError, match=told):
        catalog.choose("y", None, paths)
    put(paths, "x1_nc_mo", "2030")
    put(paths, "x2_nc_mo", "2031")
    with pytest.raises(UserError, match=r"'y' with model type 3 .*there are x1_nc_mo, x2_nc_mo;"):
        catalog.choose("y", 3, paths)


def test_a_damaged_bundle_is_named_when_chosen(paths: Paths) -> None:
    (paths.models / "x1_nc_mo.zip").write_bytes(b"PK broken")
    with pytest.raises(UserError, match=r"x1_nc_mo\.zip is damaged"):
        catalog.choose("x", None, paths)
    assert catalog.available(paths) == {}
    good = put(paths, "x2_nc_mo", "2030")
    assert catalog.choose("x", None, paths) == good
    with pytest.raises(UserError, match="there are x2_nc_mo"):
        catalog.choose("y", None, paths)


def test_the_latest_unfinished_training_is_found(paths: Paths) -> None:
    assert catalog.unfinished("x", None, paths) is None
    names = ("x1_nc_mo", "x2_nc_mo", "x2_nc_mo.1", "xx1_nc_mo", "x1")
    for age, name in enumerate(names):
        path = paths.checkpoint / name / "last.zip"
        path.parent.mkdir()
        path.touch()
        os.utime(path, (1000 + age, 1000 + age))
    found = {
        (app, number): last.parent.name
        for app, number in (("x", None), ("x", 1), ("x", 2), ("xx", 1), ("x2_nc_mo.1", None))
        if (last := catalog.unfinished(app, number, paths))
    }
    assert found == {
        ("x", None): "x2_nc_mo",
        ("x", 1): "x1_nc_mo",
        ("x", 2): "x2_nc_mo",
        ("xx", 1): "xx1_nc_mo",
        ("x2_nc_mo.1", None): "x2_nc_mo.1",
    }
    os.utime(paths.checkpoint / "x1_nc_mo" / "last.zip", (2000, 2000))
    latest = catalog.unfinished("x", None, paths)
    assert latest == paths.checkpoint / "x1_nc_mo" / "last.zip"


def trained(paths: Paths, name: str, when: int) -> None:
    """A checkpoint of that model."""
    path = paths.checkpoint / name / "last.zip"
    path.parent.mkdir()
    path.write_bytes(b"")
    os.utime(path, (when, when))


def test_without_an_app_the_model_trained_last_here_comes_first_and_bach_last(paths: Paths) -> None:
    bach, older, latest = (put(paths, f"{n}_nc_mo", "2030") for n in ("bach5", "a1", "b2"))
    put(paths, "downloaded1_nc_mo", "2031")
    assert catalog.candidates(None, None, paths) == [bach]
    trained(paths, "a1_nc_mo", 100)
    trained(paths, "b2_nc_mo", 200)
    trained(paths, "unfinished1_nc_mo", 300)
    assert catalog.candidates(None, None, paths) == [latest, older, bach]
    assert catalog.candidates("bach", None, paths) == [bach]
    assert catalog.candidates("bach5_nc_mo", 3, paths) == [bach]


def test_without_an_app_the_model_type_is_kept(paths: Paths) -> None:
    bach = put(paths, "bach5_nc_mo", "2030")  # by its contents it is of type 5
    put(paths, "a5_nc_mo", "2029")
    trained(paths, "a5_nc_mo", 100)
    assert [p.stem for p in catalog.candidates(None, 5, paths)] == ["a5_nc_mo", "bach5_nc_mo"]
    with pytest.raises(UserError, match="no model 'bach' with model type 2"):
        catalog.candidates(None, 2, paths)
    assert bach.is_file()


def test_an_unfinished_training_is_gone_on_with(paths: Paths) -> None:
    trained(paths, "mine1_nc_mo", 100)
    told = "the training of mine was not finished: go on with -l 1 -f --app mine"
    with pytest.raises(UserError, match=told):
        catalog.choose("mine", None, paths)
    with pytest.raises(UserError, match=r"train it with -l 0 -f --app other\."):
        catalog.choose("other", None, paths)


def test_a_model_type_alone_is_enough_where_only_other_apps_have_it(paths: Paths) -> None:
    bach = put(paths, "bach2_nc_mo", "2029")
    older, latest = put(paths, "a5_nc_mo", "2030"), put(paths, "b5_nc_mo", "2031")
    bach.unlink()  # by its contents it is of type 5, too
    assert catalog.candidates(None, 5, paths) == [latest, older]
    bach = put(paths, "bach2_nc_mo", "2029")
    assert catalog.candidates(None, 2, paths) == [bach]
    assert catalog.candidates(None, None, paths) == [bach]
    with pytest.raises(UserError, match="no model 'bach' with model type 3"):
        catalog.candidates(None, 3, paths)
