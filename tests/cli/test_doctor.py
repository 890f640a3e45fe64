"""The doctor names what is missing, and the command that mends it."""

from pathlib import Path

import doctor
import pytest
import synth

from config_bach import Places, UserError


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """As if libfluidsynth were missing, and PATH held only what a test puts there."""

    def missing() -> None:
        raise UserError("no FluidSynth")

    monkeypatch.setattr(doctor, "fluidsynth_module", missing)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def put_program(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


def finding(what: str, places: Places) -> doctor.Finding:
    return next(f for f in doctor.examine(places) if f.what == what)


@pytest.mark.parametrize(
    ("manager", "command"),
    [("apt-get", "sudo apt-get install -y libfluidsynth3"), ("brew", "brew install fluid-synth")],
)
def test_the_mend_fits_the_system(
    no_library: Path, places: Places, manager: str, command: str
) -> None:
    put_program(no_library, manager, "exit 0")
    library = finding("libfluidsynth", places)
    assert not library.well
    assert library.mend == command


def test_the_library_is_installed_by_the_package_manager(no_library: Path) -> None:
    put_program(no_library, "brew", f'echo "$@" >> {no_library}/said')
    doctor.install_library()
    assert (no_library / "said").read_text() == "install fluid-synth\n"


def test_no_package_manager_is_said(no_library: Path) -> None:
    with pytest.raises(UserError, match="no package manager"):
        doctor.install_library()


def test_a_package_manager_that_fails_is_said_with_the_command(no_library: Path) -> None:
    put_program(no_library, "brew", "exit 1")
    with pytest.raises(UserError, match="by hand with: brew install fluid-synth"):
        doctor.install_library()


def test_nothing_is_installed_when_nothing_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("doctor.subprocess.run", lambda *_, **__: pytest.fail("ran something"))
    doctor.install_library()


def test_folders_that_cannot_be_written_are_named(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("doctor.os.access", lambda path, _: Path(path).name != "models")
    models = finding("models/", places)
    assert not models.well
    assert str(places.models) in models.mend
    assert finding("training/", places).well


def test_missing_sound_names_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fluidsynth", None)
    with pytest.raises(UserError, match="install"):
        synth.Synth(1)
