"""A bundle is whole or refused, holds no code, and never destroys the one before it."""

import json
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import bundle as bundles
import numpy as np
import pytest
from bundle import Bundle
from conftest import ROOT

from config_bach import Places, UserError

Trained = tuple[Bundle, Places]


@pytest.fixture
def saved(trained: Trained, tmp_path: Path) -> Path:
    trained[0].save(tmp_path / "tunes.zip")
    return tmp_path / "tunes.zip"


def test_everything_comes_back(trained: Trained, saved: Path) -> None:
    loaded = bundles.load(saved)
    assert loaded.vocabulary == trained[0].vocabulary
    assert loaded.network == trained[0].network
    assert loaded.step == trained[0].step
    assert all(
        np.array_equal(a, b) for a, b in zip(loaded.weights, trained[0].weights, strict=True)
    )
    assert json.dumps(loaded.facts) == json.dumps(trained[0].facts)


def test_the_bundle_describes_itself(saved: Path) -> None:
    manifest = bundles.manifest_of(saved)
    assert manifest["facts"]["split"] == "piece"
    assert {p["side"] for p in manifest["facts"]["corpus"]["pieces"]} == {"train", "valid", "test"}
    assert manifest["facts"]["metrics"]["valid"]["nll"] > 0
    assert "keras" in manifest["made_with"]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_bundle_is_refused(saved: Path, share: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UserError, match=r"tunes\.zip"):
        bundles.load(saved)


def test_a_flipped_bit_is_noticed(saved: Path) -> None:
    content = bytearray(saved.read_bytes())
    content[len(content) // 2] ^= 1
    saved.write_bytes(content)
    with pytest.raises(UserError, match=r"tunes\.zip"):
        bundles.load(saved)


def rewritten(path: Path, **members: bytes) -> Path:
    """The same zip with some members replaced."""
    with zipfile.ZipFile(path) as file:
        old = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, content in {**old, **members}.items():
            file.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "manifest", [b"", b"[]", b"{}", b'{"format": "play-bach-bundle", "version": 1}', b"\xff\xfe"]
)
def test_a_foreign_manifest_is_refused(saved: Path, manifest: bytes) -> None:
    with pytest.raises(UserError, match=r"tunes\.zip"):
        bundles.load(rewritten(saved, **{"bundle.json": manifest}))


def test_a_newer_format_says_so(saved: Path) -> None:
    manifest = {**bundles.manifest_of(saved), "version": 99}
    with pytest.raises(UserError, match="version 99"):
        bundles.load(rewritten(saved, **{"bundle.json": json.dumps(manifest).encode()}))


def test_other_zips_and_missing_files_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("hello.txt", "hello")
    with pytest.raises(UserError, match="not a Play Bach model"):
        bundles.load(tmp_path / "other.zip")
    with pytest.raises(UserError, match="there is no model"):
        bundles.load(tmp_path / "none.zip")


def test_pickled_arrays_are_never_loaded(saved: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "evil.npz", np.array([{"a": print}], dtype=object))
    evil = rewritten(saved, **{"weights.npz": (tmp_path / "evil.npz").read_bytes()})
    with pytest.raises(UserError, match="not a complete"):
        bundles.load(evil)


def test_a_full_disk_leaves_the_good_bundle_and_nothing_else(saved: Path) -> None:
    """A real limit on the size of files, in a process of its own."""
    before = saved.read_bytes()
    script = (
        "import sys, bundle; from pathlib import Path; from config_bach import UserError\n"
        "path = Path(sys.argv[1]); b = bundle.load(path)\n"
        "try: b.save(path)\n"
        "except UserError as error: print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(saved)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)),
    )
    assert f"cannot write {saved}" in result.stdout
    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == ["tunes.zip"]


def test_the_latest_bundle_of_an_app_is_chosen(trained: Trained, tmp_path: Path) -> None:
    places = Places(tmp_path)
    first, second = (tmp_path / "models" / f"x{n}_nc_mo.zip" for n in (1, 2))
    for path, stamp in ((first, "2030"), (second, "2029")):
        trained[0].save(path)
        manifest = {**bundles.manifest_of(path), "saved": stamp}
        rewritten(path, **{"bundle.json": json.dumps(manifest).encode()})
    assert bundles.choose("x", None, places) == first
    assert bundles.choose("x", 2, places) == second
    assert bundles.choose("x2_nc_mo", None, places) == second
    with pytest.raises(UserError, match="x1_nc_mo"):
        bundles.choose("y", None, places)


def test_a_damaged_bundle_is_named_when_chosen(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.models.mkdir()
    (places.models / "x1_nc_mo.zip").write_bytes(b"PK broken")
    with pytest.raises(UserError, match=r"x1_nc_mo\.zip is damaged"):
        bundles.choose("x", None, places)
    assert bundles.available(places) == {}
