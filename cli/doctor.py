"""What is missing on this machine, and the exact command that mends it."""

import argparse
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from config_bach import Paths, UserError
from music.synth import find_soundfont, fluidsynth_module, library_advice
from storage.bundle import Bundle

PYTHON = ((3, 11), (3, 13))
TO_COMPOSE = {
    "numpy": "numpy",
    "ai-edge-litert": "ai_edge_litert",
    "mido": "mido",
    "symusic": "symusic",
    "tqdm": "tqdm",
}
TO_STREAM = {n: n for n in ("flask", "remi", "cheroot", "lameenc", "segno", "cryptography")}
TO_DRAW = {"matplotlib": "matplotlib"}
TO_TRAIN = {n: n for n in ("tensorflow", "keras", "music21", "filelock")}
NOT_TO_COMPOSE = {**TO_TRAIN, **TO_DRAW}  # what requirements-lite.txt leaves out


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: whether it is well, what was seen, and the mend if it is not."""

    what: str
    well: bool
    seen: str
    mend: str = ""

    def __str__(self) -> str:
        line = f"  {'ok     ' if self.well else 'MISSING'}  {self.what:<14} {self.seen}"
        return line if self.well else f"{line}\n{'':25}mend it with: {self.mend}"


def doctor(args: argparse.Namespace, paths: Paths, bundle: Bundle | None = None) -> None:
    """--doctor: print what was found. Raises UserError if something must be mended."""
    findings = examine(paths)
    print("\n".join(str(finding) for finding in findings))
    if not all(finding.well for finding in findings):
        raise UserError("something is missing: type the commands above.")
    print("all is well")


def examine(paths: Paths) -> list[Finding]:
    """Look at everything that Play Bach needs."""
    return [
        _python(),
        _packages("to compose", TO_COMPOSE),
        _packages("to train", TO_TRAIN),
        _packages("to stream", TO_STREAM),
        _packages("to draw", TO_DRAW),
        _binding(),
        _library(),
        _soundfont(),
        *(_writable(p) for p in (paths.training, paths.models, paths.checkpoint)),
    ]


def _python() -> Finding:
    seen = ".".join(map(str, sys.version_info[:3]))
    well = PYTHON[0] <= sys.version_info[:2] <= PYTHON[1]
    return Finding("Python", well, seen, "install Python 3.11, 3.12 or 3.13, then: make play")


def _packages(what: str, packages: dict[str, str]) -> Finding:
    missing = [name for name, module in packages.items() if not _installed(module)]
    versions = (f"{name} {_version(name)}" for name in packages)
    seen = f"not installed: {', '.join(missing)}" if missing else ", ".join(versions)
    if packages.keys() <= NOT_TO_COMPOSE.keys() and not any(map(_installed, NOT_TO_COMPOSE)):
        return Finding(what, True, f"{seen}; composing needs none of it")
    return Finding(what, not missing, seen, f"{sys.executable} -m pip install -r requirements.txt")


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _version(package: str) -> str:
    """The version of a package; empty if pip did not install it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _binding() -> Finding:
    """The package `fluidsynth` on PyPI is not the binding, and hides it when both are installed."""
    pip = f"{sys.executable} -m pip"
    if namesake := _version("fluidsynth"):
        seen = f"the unrelated package fluidsynth {namesake} is installed"
        again = f"{pip} install --force-reinstall --no-deps pyfluidsynth"
        return Finding("pyfluidsynth", False, seen, f"{pip} uninstall -y fluidsynth && {again}")
    found = _version("pyfluidsynth")
    seen = found or "not installed"
    return Finding("pyfluidsynth", bool(found), seen, f"{pip} install pyfluidsynth")


def _library() -> Finding:
    try:
        return Finding("libfluidsynth", True, str(getattr(fluidsynth_module(), "lib", "found")))
    except UserError:
        command = library_advice().removeprefix("install it with: ")
        return Finding("libfluidsynth", False, "the library is not on this system", command)


def _soundfont() -> Finding:
    try:
        return Finding("SoundFont", True, str(find_soundfont()))
    except UserError as error:
        command = f"{sys.executable} -m pip install pretty_midi"
        return Finding("SoundFont", False, str(error), command)


def _writable(folder: Path) -> Finding:
    existing = folder if folder.exists() else folder.parent
    well = os.access(existing, os.W_OK)
    seen = "can be written" if well else "cannot be written"
    return Finding(f"{folder.name}/", well, seen, f'sudo chown -R "$USER" "{existing}"')


def install_library() -> None:
    """Install libfluidsynth through the system's package manager if it is missing.

    Raises UserError, with what to do by hand, if that cannot be done.
    """
    if _library().well:
        return
    advice = library_advice()
    if advice == (command := advice.removeprefix("install it with: ")):
        raise UserError(f"libfluidsynth is missing, no package manager is known here: {advice}.")
    _install("libfluidsynth", command)


def install_browser() -> None:
    """Install the Chromium that the tests of the control page drive, where apt is at hand.

    Elsewhere those tests are skipped if there is none.
    """
    if shutil.which("apt-get") and not shutil.which("chromedriver"):
        _install("chromium", "sudo apt-get install -y chromium chromium-driver")


def _install(what: str, command: str) -> None:
    """Run a package manager's command. Raises UserError, with the command, if it fails."""
    words = shlex.split(command)
    if words[0] == "sudo" and hasattr(os, "geteuid") and os.geteuid() == 0:
        words = words[1:]
    print(f"{what} is missing: {shlex.join(words)}", flush=True)
    if "apt-get" in words:  # a fresh system has no package lists yet
        subprocess.run([*words[: words.index("apt-get") + 1], "update", "-qq"], check=False)
    try:
        failed = subprocess.run(words, check=False, stdout=subprocess.DEVNULL).returncode
    except OSError as error:
        raise UserError(f"{what} is missing and {words[0]} cannot be run: {command}.") from error
    if failed:
        raise UserError(f"{what} could not be installed; do it by hand with: {command}.")


def main(words: Sequence[str]) -> int:
    """For the Makefile: --install-library, --install-browser, or neither to look around."""
    try:
        if "--install-library" in words:
            install_library()
        elif "--install-browser" in words:
            install_browser()
        else:
            print(*examine(Paths()), sep="\n")
    except UserError as error:
        print(f"play_bach: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
