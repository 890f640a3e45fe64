"""A bundle is whole or refused, holds no code, and never destroys the one before it."""

import io
import json
import os
import resource
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chorales import untrained_bundle
from conftest import ROOT, SHIPPED
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config_bach import UserError
from families.registry import family_of
from storage import bundle as bundles
from storage.bundle import Bundle
from storage.manifest import FORMAT_VERSION


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    untrained().save(tmp_path / "x.zip")
    return tmp_path / "x.zip"


def untrained() -> Bundle:
    """A bundle with something of everything, and weights that none has."""
    rng = np.random.default_rng(0)
    bundle = untrained_bundle(batch=2, min_steps=3).with_metadata(split="piece", bpm=80.5)
    return replace(
        bundle,
        weights=[rng.normal(size=(3, 4)).astype(np.float16), np.arange(5)],
        optimizer=[np.array(7, np.int64), rng.normal(size=(3, 4))],
        steps={"float32": b"network", "int8": bytes(range(256))},
        music=b'[["one", []]]',
        held_out=b"[]",
    )


def assert_same(one: Bundle, other: Bundle) -> None:
    for what in ("name", "vocabulary", "network", "training", "metadata", "steps"):
        assert getattr(one, what) == getattr(other, what)
    assert (one.music, one.held_out) == (other.music, other.held_out)
    for some, others in ((one.weights, other.weights), (one.optimizer, other.optimizer)):
        assert [(a.dtype, a.tolist()) for a in some] == [(a.dtype, a.tolist()) for a in others]


def test_everything_comes_back(saved: Path) -> None:
    assert_same(bundles.load(saved), untrained())


def test_what_a_bundle_does_not_have_is_not_in_its_file(tmp_path: Path) -> None:
    bare = untrained_bundle(batch=2, min_steps=3)
    bare.save(tmp_path / "bare.zip")
    with zipfile.ZipFile(tmp_path / "bare.zip") as file:
        assert file.namelist() == ["bundle.json", "weights.npz"]
    assert_same(bundles.load(tmp_path / "bare.zip"), bare)


def test_the_bundle_describes_itself(saved: Path) -> None:
    manifest = bundles.manifest_of(saved)
    assert (manifest["format"], manifest["version"]) == ("play-bach-bundle", 2)
    assert manifest["metadata"] == {"history": [], "split": "piece", "bpm": 80.5}
    assert {"keras", "numpy", "ai-edge-litert"} <= set(manifest["made_with"])
    assert manifest["network"]["token_dropout"] == 0.0


def test_metadata_is_added_to_another_bundle_and_not_to_this_one() -> None:
    bundle = untrained()
    assert bundle.with_metadata(bpm=90, more=1).metadata == {
        "history": [], "split": "piece", "bpm": 90, "more": 1,
    }  # fmt: skip
    assert bundle.metadata["bpm"] == 80.5


# ---- damage


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_bundle_is_refused(saved: Path, share: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UserError, match=r"x\.zip is damaged or not a Play Bach model"):
        bundles.load(saved)


def test_a_flipped_bit_is_noticed(saved: Path) -> None:
    content = bytearray(saved.read_bytes())
    content[len(content) // 2] ^= 1
    saved.write_bytes(content)
    with pytest.raises(UserError, match=r"x\.zip is damaged"):
        bundles.load(saved)


def rewritten(path: Path, members: dict[str, bytes], drop: str = "") -> Path:
    """The same zip with some members replaced, and one left out."""
    with zipfile.ZipFile(path) as file:
        old = {name: file.read(name) for name in file.namelist() if name != drop}
    with zipfile.ZipFile(path, "w") as file:
        for name, content in {**old, **members}.items():
            file.writestr(name, content)
    return path


def with_manifest(path: Path, **changes: Any) -> Path:
    """The same zip with changes in its manifest; None leaves an entry out."""
    with zipfile.ZipFile(path) as file:
        manifest = json.loads(file.read("bundle.json")) | changes
    kept = {k: v for k, v in manifest.items() if v is not None}
    return rewritten(path, {"bundle.json": json.dumps(kept).encode()})


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        (b"", "damaged"),
        (b"[]", "its bundle.json is of something else"),
        (b"{}", "its bundle.json is of something else"),
        (b'{"format": "play-bach-bundle", "version": 1}', "got `null` - at `\\$.network`"),
        (b'{"format": "play-bach-bundle", "version": 2}', "missing required field `name`"),
        (b"[" * 200_000, "too deep"),
        (b"\xff\xfe", "damaged"),
    ],
)
def test_a_foreign_manifest_is_refused(saved: Path, manifest: bytes, problem: str) -> None:
    with pytest.raises(UserError, match=rf"x\.zip .*{problem}"):
        bundles.load(rewritten(saved, {"bundle.json": manifest}))


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("label", 7),
        ("corpus", "music21:bach"),
        ("corpus", {"source": 7}),
        ("metrics", {"valid": {"nll": 1.0, "accuracy": "good"}}),
        ("metrics", {"baselines": {"x": {"nll": None, "accuracy": 1}}}),
        ("variants", {"float32": 3}),
        ("variants", {"float32": {"nll_change": "none"}}),
        ("primes", []),
        ("primes", [{"name": "x"}]),
        ("primes", [{"name": "x", "events": []}]),
        ("templates", [{"name": "x", "plan": [["a"]]}]),
        ("templates", [{"name": "x", "plan": [[-1]]}]),
        ("bpm", "fast"),
        ("bpm", 1e9),
        ("instrument", 129),
        ("instrument", 1.5),
        ("history", {}),
        ("rhythm", {"": {"1": "often"}}),
    ],
)
def test_metadata_of_another_type_is_refused_with_its_place(
    saved: Path, where: str, value: Any
) -> None:
    metadata = bundles.load(saved).metadata | {where: value}
    told = rf"x\.zip is damaged .*\$\.metadata\.{where}.*; restore it or train it anew"
    for read in (bundles.load, bundles.manifest_of):
        with pytest.raises(UserError, match=told):
            read(with_manifest(saved, metadata=metadata))


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("octave", 99),
        ("velocity", 0),
        ("fields", []),
        ("fields", [{"name": "x", "symbols": ["?"]}]),
    ],
)
def test_a_vocabulary_that_cannot_be_is_refused(saved: Path, where: str, value: Any) -> None:
    vocabulary = untrained().vocabulary.to_json() | {where: value}
    with pytest.raises(UserError, match=rf"\$\.vocabulary\.{where}"):
        bundles.load(with_manifest(saved, vocabulary=vocabulary))


def test_a_manifest_that_would_fill_the_memory_is_not_read(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.manifest.LARGEST", 100)
    with pytest.raises(UserError, match="larger than any model"):
        bundles.manifest_of(saved)


def test_a_shape_larger_than_its_bytes_is_refused_before_memory_is_asked_for(saved: Path) -> None:
    header = io.BytesIO()
    shape = {"descr": "<f4", "fortran_order": False, "shape": (2**20, 2**20)}  # 4 TB
    np.lib.format.write_array_header_1_0(header, shape)
    weights = io.BytesIO()
    with zipfile.ZipFile(weights, "w") as file:
        file.writestr("arr_0.npy", header.getvalue() + bytes(64))
    with pytest.raises(UserError, match=r"an array of shape \(1048576, 1048576\) in \d+ bytes"):
        bundles.load(rewritten(saved, {"weights.npz": weights.getvalue()}))


def test_weights_that_unpack_to_more_than_any_model_are_refused(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = io.BytesIO()
    np.savez_compressed(weights, np.zeros(10**6))
    bomb = rewritten(saved, {"weights.npz": weights.getvalue()})
    monkeypatch.setattr(bundles, "LARGEST", 100_000)
    with pytest.raises(UserError, match="its weights are larger than any model"):
        bundles.load(bomb)


def test_a_pipe_or_a_folder_in_the_place_of_a_model_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.zip")
    (tmp_path / "folder.zip").mkdir()
    for name in ("pipe.zip", "folder.zip"):
        with pytest.raises(UserError, match=rf"{name} is not a file; remove it"):
            bundles.manifest_of(tmp_path / name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in JSON: the way to every value, long lists by their first entry."""
    items: list[tuple[Any, Any]] = list(value.items()) if isinstance(value, dict) else []
    if isinstance(value, list):
        items = list(enumerate(value))[:1]
    return [path, *(p for key, inner in items for p in places(inner, (*path, key)))]


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_manifest_is_read_or_refused_in_one_sentence(saved: Path, data: st.DataObject) -> None:
    whole = zipfile.ZipFile(saved).read("bundle.json")
    manifest = json.loads(whole)
    *way, last = data.draw(st.sampled_from([p for p in places(manifest) if p]))
    inner = manifest
    for key in way:
        inner = inner[key]
    inner[last] = data.draw(JSON)
    path = rewritten(saved, {"bundle.json": json.dumps(manifest).encode()})
    said = refusal(path)
    rewritten(saved, {"bundle.json": whole})
    assert "\n" not in said
    assert len(said) < 500


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cut=st.integers(0, 20_000), place=st.integers(0, 20_000), byte=st.binary(min_size=1, max_size=4)
)
def test_any_bytes_are_read_or_refused_in_one_sentence(
    saved: Path, cut: int, place: int, byte: bytes
) -> None:
    good = saved.read_bytes()
    place = place % len(good)
    bad = (good[:place] + byte + good[place + len(byte) :])[: len(good) - cut % len(good) // 2]
    other = saved.with_name("y.zip")
    other.write_bytes(bad)
    assert "\n" not in refusal(other)


def refusal(path: Path) -> str:
    """What is said of a bundle; empty if it is read. Anything but a UserError fails the test."""
    try:
        bundles.load(path)
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("what", ["name", "network", "training", "metadata", "vocabulary"])
@pytest.mark.parametrize("value", [None, 7])
def test_a_manifest_without_sense_is_refused(saved: Path, what: str, value: int | None) -> None:
    with pytest.raises(UserError, match=r"not a Play Bach model \(.*; restore it or train it anew"):
        bundles.load(with_manifest(saved, **{what: value}))


def test_settings_out_of_range_are_refused(saved: Path) -> None:
    network = untrained().network.to_json() | {"units": 10**9}
    with pytest.raises(UserError, match=r"damaged.*units is 1000000000"):
        bundles.load(with_manifest(saved, network=network))


@pytest.mark.parametrize("version", [3, 99, None, "2", 0])
def test_another_format_says_so(saved: Path, version: object) -> None:
    told = rf"has format version {version}, this Play Bach reads 1 to 2; update Play Bach"
    with pytest.raises(UserError, match=told):
        bundles.load(with_manifest(saved, version=version))
    assert FORMAT_VERSION == 2


def test_other_zips_and_missing_files_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("hello.txt", "hello")
    with pytest.raises(UserError, match=r"it has no bundle\.json"):
        bundles.load(tmp_path / "other.zip")
    with pytest.raises(UserError, match=r"there is no model .*none\.zip"):
        bundles.load(tmp_path / "none.zip")


def test_a_member_that_would_fill_the_memory_is_not_unpacked(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "LARGEST", 10_000)
    rewritten(saved, {"weights.npz": bytes(10_001)})
    with pytest.raises(UserError, match="larger than any model"):
        bundles.load(saved)


@pytest.mark.parametrize("content", [b"", b"PK nonsense", b"\x93NUMPY"])
def test_weights_that_are_none_are_refused(saved: Path, content: bytes) -> None:
    with pytest.raises(UserError, match=r"not a (complete )?Play Bach model"):
        bundles.load(rewritten(saved, {"weights.npz": content}))


def test_a_bundle_without_weights_is_refused(saved: Path) -> None:
    with pytest.raises(UserError, match=r"not a (complete )?Play Bach model"):
        bundles.load(rewritten(saved, {}, drop="weights.npz"))


def test_pickled_arrays_are_never_loaded(saved: Path) -> None:
    pickled = io.BytesIO()
    np.savez(pickled, np.array([{"a": print}], dtype=object))
    evil = rewritten(saved, {"weights.npz": pickled.getvalue()})
    with pytest.raises(
        UserError, match=r"not a Play Bach model .*(allow_pickle=False|Object arrays)"
    ):
        bundles.load(evil)


def test_a_full_disk_leaves_the_good_bundle_and_nothing_else(saved: Path) -> None:
    """A real limit on the size of files, in a process of its own."""
    before = saved.read_bytes()
    script = (
        "import sys; from storage import bundle; from pathlib import Path\n"
        "from config_bach import UserError\n"
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
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500)),
    )
    assert f"cannot write {saved}" in result.stdout
    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == ["x.zip"]


# ---- format version 1


def version_one(path: Path) -> Path:
    """The saved bundle as Play Bach wrote it before version 2."""
    bundle = bundles.load(path)
    network = bundle.network.to_json() | {"mishear": 0.2, "forget": 0.3}
    del network["token_dropout"], network["lookback_dropout"]
    facts = bundle.metadata | {"forms": [{"name": "x", "plan": []}]}
    with_manifest(path, version=1, network=network, facts=facts, metadata=None)
    rewritten(path, {"step.tflite": b"network"}, drop="float32.tflite")
    return path


def test_a_file_of_version_one_is_read_and_saved_as_version_two(
    saved: Path, tmp_path: Path
) -> None:
    bundle = bundles.load(version_one(saved))
    assert bundle.metadata["templates"] == [{"name": "x", "plan": []}]
    assert "forms" not in bundle.metadata
    assert (bundle.network.token_dropout, bundle.network.lookback_dropout) == (0.2, 0.3)
    assert bundle.steps == untrained().steps
    manifest = bundles.manifest_of(saved)
    assert (manifest["version"], manifest["metadata"]) == (2, bundle.metadata)
    bundle.save(tmp_path / "again.zip")
    with zipfile.ZipFile(tmp_path / "again.zip") as file:
        written = json.loads(file.read("bundle.json"))
        assert {"float32.tflite", "int8.tflite"} <= set(file.namelist())
    assert written["version"] == 2
    assert not {"facts", "step.tflite"} & set(written)
    assert_same(bundles.load(tmp_path / "again.zip"), bundle)


@pytest.mark.parametrize("what", ["network", "facts"])
@pytest.mark.parametrize("value", [None, 7])
def test_a_file_of_version_one_without_sense_is_refused(
    saved: Path, what: str, value: int | None
) -> None:
    with pytest.raises(UserError, match="damaged or not a Play Bach model"):
        bundles.load(with_manifest(version_one(saved), **{what: value}))


@pytest.mark.parametrize("name", ["bach5_nc_mo", "bach2_nc_mo"])
def test_a_model_that_is_shipped_loads_and_loads_the_same_once_saved(
    name: str, tmp_path: Path
) -> None:
    bundle = bundles.load(SHIPPED.parent / f"{name}.zip")
    family = family_of(bundle.network.model_type)
    assert bundle.name == name
    assert bundle.network.token_dropout == (0.2 if family.voices else 0.0)
    assert bool(bundle.metadata.get("templates")) == bool(family.voices)
    assert set(bundle.steps) == {"dynamic"} if family.voices else "float32" in bundle.steps
    bundle.save(tmp_path / "again.zip")
    assert_same(bundles.load(tmp_path / "again.zip"), bundle)
    assert bundles.manifest_of(tmp_path / "again.zip")["version"] == 2


@pytest.mark.parametrize("name", ["bach5_nc_mo", "bach2_nc_mo"])
def test_the_pieces_of_a_model_that_is_shipped_have_the_fingerprints_in_its_table(
    name: str,
) -> None:
    bundle = bundles.load(SHIPPED.parent / f"{name}.zip")
    pieces = family_of(bundle.network.model_type).unpack(bundle.held_out)
    table = [p for p in bundle.metadata["corpus"]["pieces"] if p["side"] == "valid"]
    assert [(p.name, p.fingerprint, len(p)) for p in pieces] == [
        (p["name"], p["fingerprint"], p["events"]) for p in table
    ]
