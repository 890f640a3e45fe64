"""Which models there are in models/ and checkpoint/, and which of them --app means."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from config_bach import Paths, UserError
from storage.bundle import SUFFIX, manifest_of

DEFAULT_APP = "bach"


def path_of(name: str, paths: Paths) -> Path:
    """Where the bundle of a model lies."""
    return paths.models / f"{name}{SUFFIX}"


def available(paths: Paths) -> dict[str, dict[str, Any]]:
    """The manifests of all readable bundles in models/, by name, the latest last."""
    return examined(paths)[0]


def examined(paths: Paths) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """All bundles in models/ by name: the manifests of those that can be read, the latest last; and of
    the others what is wrong with them, in a sentence."""
    found, wrong = {}, {}
    for path in sorted(paths.models.glob(f"*{SUFFIX}")):
        try:
            found[path.stem] = _manifest_of(path, *stamp(path))
        except UserError as error:
            wrong[path.stem] = str(error)
    return dict(sorted(found.items(), key=lambda item: str(item[1].get("saved")))), wrong


def stamp(path: Path) -> tuple[int, int]:
    """What changes when a file is replaced: the time of its last change and its size.

    Raises UserError if it is gone.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise UserError(f"there is no model {path}; train one with -l 0 -f.") from error
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=256)
def _manifest_of(path: Path, changed: int, size: int) -> dict[str, Any]:
    """The manifest of a file that last changed then. It is only read, so all who ask may share it."""
    return manifest_of(path)


def choose(app: str, model_type: int | None, paths: Paths) -> Path:
    """The bundle of an app (or of a full model name): the latest, if there are several.

    Raises UserError, naming what there is, if no bundle answers to it.
    """
    return candidates(app, model_type, paths)[0]


def candidates(app: str | None, model_type: int | None, paths: Paths) -> list[Path]:
    """The bundles of an app (or of a full model name), the latest first.

    Without an app those that were trained here, and then those of DEFAULT_APP or, where none of these is
    of the model type, all of that type. Raises UserError, naming what there is, if there are none.
    """
    if app is None:
        own, usual = trained_here(model_type, paths), _of(DEFAULT_APP, model_type, paths)
        others = _of_type(model_type, paths)
        if found := list(dict.fromkeys([*own, *usual])) or others:
            return found
        app = DEFAULT_APP
    if path_of(app, paths).is_file():
        return [path_of(app, paths)]
    if hits := _of(app, model_type, paths):
        return hits
    known = available(paths)
    damaged = [p for p in paths.models.glob(f"*{SUFFIX}") if _names(app, None).match(p.stem)]
    unreadable = [p for p in damaged if p.stem not in known]
    if unreadable:
        manifest_of(unreadable[0])  # raises the reason
    if unfinished(app, model_type, paths):
        raise UserError(f"the training of {app} was not finished: go on with -l 1 -f --app {app}.")
    wanted = f"'{app}'" + (f" with model type {model_type}" if model_type else "")
    there = f"there are {', '.join(known)}" if known else "there are none yet"
    raise UserError(
        f"no model {wanted} in {paths.models}: {there}; train it with -l 0 -f --app {app}."
    )


def _of(app: str, model_type: int | None, paths: Paths) -> list[Path]:
    """The readable bundles of an app, the latest first."""
    pattern = _names(app, model_type)
    return [path_of(name, paths) for name in reversed(available(paths)) if pattern.match(name)]


def _of_type(model_type: int | None, paths: Paths) -> list[Path]:
    """The readable bundles of a model type, the latest first; none of no type."""
    known = reversed(available(paths).items())
    return [path_of(n, paths) for n, m in known if m["network"]["model_type"] == model_type]


def trained_here(model_type: int | None, paths: Paths) -> list[Path]:
    """The readable bundles whose training was the last one here, and those before it."""
    checkpoints = {p.parent.name: p.stat().st_mtime for p in paths.checkpoint.glob("*/last.zip")}
    known = available(paths)
    mine = [
        name
        for name in sorted(checkpoints, key=lambda name: -checkpoints[name])
        if name in known and model_type in (None, known[name]["network"]["model_type"])
    ]
    return [path_of(name, paths) for name in mine]


def unfinished(app: str | None, model_type: int | None, paths: Paths) -> Path | None:
    """The latest checkpoint of an app (or of a full model name; None: of any), if there is one."""
    pattern = re.compile("") if app is None else _names(app, model_type)
    found = [
        path
        for path in paths.checkpoint.glob("*/last.zip")
        if path.parent.name == app
        or (pattern.match(path.parent.name) and "." not in path.parent.name)  # .1 was set aside
    ]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def _names(app: str, model_type: int | None) -> re.Pattern[str]:
    """How the names of an app's models begin; see config_bach.model_name."""
    return re.compile(rf"{re.escape(app)}{model_type or r'[1-9][0-9]?'}_")
