"""The doctor names what is missing, and the command that mends it."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from cli import doctor
from config_bach import Paths, UserError
from music import synth

from .conftest import Run


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


def finding(what: str, paths: Paths) -> doctor.Finding:
    return next(f for f in doctor.examine(paths) if f.what == what)


def test_all_is_well_here(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("--doctor")
    out = capsys.readouterr().out
    assert "all is well" in out
    assert "MISSING" not in out
    for what in ("Python", "to compose", "to train", "libfluidsynth", "SoundFont", "models/"):
        assert f"  ok       {what}" in out


def test_what_is_missing_is_named_with_its_mend(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(package: str) -> str:
        return "1.0"

    monkeypatch.setattr(
        doctor, "version", version
    )  # as if the namesake 'fluidsynth' were installed
    monkeypatch.setenv("PLAY_BACH_SOUNDFONT", "/nowhere.sf2")
    with pytest.raises(UserError, match="something is missing: type the commands above"):
        run("--doctor")
    out = capsys.readouterr().out
    assert "pip uninstall -y fluidsynth" in out
    assert "mend it with: " in out
    assert "pip install pretty_midi" in out


@pytest.mark.parametrize(
    ("manager", "command"),
    [("apt-get", "sudo apt-get install -y libfluidsynth3"), ("brew", "brew install fluid-synth")],
)
def test_the_mend_fits_the_system(
    no_library: Path, paths: Paths, manager: str, command: str
) -> None:
    put_program(no_library, manager, "exit 0")
    library = finding("libfluidsynth", paths)
    assert not library.well
    assert library.mend == command


def test_the_library_is_installed_by_the_package_manager(
    no_library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_program(no_library, "brew", f'echo "$@" >> {no_library}/said')
    assert doctor.main(["--install-library"]) == 0
    assert (no_library / "said").read_text() == "install fluid-synth\n"
    assert "libfluidsynth is missing: brew install fluid-synth" in capsys.readouterr().out


@pytest.mark.skipif(os.geteuid() != 0, reason="sudo is left out for root only")
def test_a_fresh_system_is_asked_for_its_packages_first_and_root_needs_no_sudo(
    no_library: Path,
) -> None:
    put_program(no_library, "apt-get", f'echo "$@" >> {no_library}/said')
    doctor.install_library()
    assert (no_library / "said").read_text() == "update -qq\ninstall -y libfluidsynth3\n"


def test_no_package_manager_is_said(no_library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="no package manager is known"):
        doctor.install_library()
    assert doctor.main(["--install-library"]) == 2
    assert capsys.readouterr().err.startswith("play_bach: libfluidsynth is missing")


def test_a_package_manager_that_fails_is_said_with_the_command(no_library: Path) -> None:
    put_program(no_library, "brew", "exit 1")
    with pytest.raises(UserError, match="by hand with: brew install fluid-synth"):
        doctor.install_library()


def test_a_package_manager_that_cannot_be_run_is_said(
    no_library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_program(no_library, "brew", "")
    (no_library / "brew").write_text("#!/nowhere/sh\n")
    with pytest.raises(
        UserError, match="libfluidsynth is missing and brew cannot be run: brew inst"
    ):
        doctor.install_library()


def test_nothing_is_installed_when_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.doctor.subprocess.run", lambda *_, **__: pytest.fail("ran something"))
    doctor.install_library()


def test_a_browser_is_installed_only_where_apt_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran: list[list[str]] = []

    class Done:
        returncode = 0

    def run(words: list[str], **_: Any) -> Done:
        ran.append(words)
        return Done()

    monkeypatch.setattr("cli.doctor.subprocess.run", run)
    monkeypatch.setenv("PATH", str(tmp_path))
    doctor.install_browser()
    assert ran == []
    put_program(tmp_path, "apt-get", "")
    assert doctor.main(["--install-browser"]) == 0
    assert ran[-1][-3:] == ["-y", "chromium", "chromium-driver"]
    put_program(tmp_path, "chromedriver", "")
    ran.clear()
    doctor.install_browser()
    assert ran == []


def test_without_a_word_it_looks_around(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main([]) == 0
    assert "ok       Python" in capsys.readouterr().out


def test_folders_that_cannot_be_written_are_named(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.doctor.os.access", lambda path, _: Path(path).name != "models")
    models = finding("models/", paths)
    assert not models.well
    assert str(paths.models) in models.mend
    assert finding("training/", paths).well


def test_missing_packages_are_named(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    there = doctor._installed
    monkeypatch.setattr(doctor, "_installed", lambda module: module != "remi" and there(module))
    streaming = finding("to stream", paths)
    assert not streaming.well
    assert streaming.seen == "not installed: remi"
    assert streaming.mend.endswith("pip install -r requirements.txt")
    assert finding("to compose", paths).well


def test_where_only_what_composes_is_installed_training_is_not_missed(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out = set(doctor.NOT_TO_COMPOSE.values())
    monkeypatch.setattr(doctor, "_installed", lambda module: module not in left_out)
    for what in ("to train", "to draw"):
        assert finding(what, paths).well
        assert "composing needs none of it" in finding(what, paths).seen
    monkeypatch.setattr(doctor, "_installed", lambda module: module != "music21")
    assert not finding("to train", paths).well


@pytest.mark.parametrize(
    ("version", "well"),
    [((3, 10, 9), False), ((3, 11, 0), True), ((3, 13, 5), True), ((3, 14, 0), False)],
)
def test_pythons_that_do(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], well: bool
) -> None:
    class Sys:
        version_info = version
        executable = sys.executable

    monkeypatch.setattr(doctor, "sys", Sys)
    found = finding("Python", paths)
    assert (found.well, found.seen) == (well, ".".join(map(str, version)))


def test_missing_sound_names_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fluidsynth", None)
    with pytest.raises(UserError, match="install"):
        synth.Synth(1)
