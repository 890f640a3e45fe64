"""--replay: a session of --duet again, from its seed and its input, into a .mid."""

import argparse

from cli.common import runtime_of
from cli.output import output_of
from cli.run_log import told
from config_bach import Paths
from storage.bundle import Bundle, load
from storage.files import check_writable, keep_previous, shown


def replay(args: argparse.Namespace, paths: Paths, bundle: Bundle | None = None) -> None:
    """Compose a session again and write its files. Raises UserError if it cannot be read."""
    from duet import recording
    from duet.casting import Cast, roles_from_json
    from duet.clock import InternalClock
    from duet.dispatcher import Dispatcher
    from duet.settings import Together
    from litert.loading import playing

    data = recording.read(args.replay)
    settings = Together.from_json(data["settings"])
    output = output_of(
        args, args.replay.name.removesuffix(recording.SUFFIX) + "-again", paths.models
    )
    check_writable(output.midi.parent)
    runtime = runtime_of(args)
    cast = Cast(
        roles_from_json(data["players"]),
        lambda path: playing(load(path, weights=False), paths, args.variant, runtime),
        paths,
    )
    session = cast.session(settings, data["seed"], Dispatcher(InternalClock(settings.bpm)), {})
    recording.replay(session, data, cast.candidate)
    session.tempi = [(float(beat), float(bpm)) for beat, bpm in data["tempi"]]
    keep_previous(output.midi)
    for kind, path in recording.write(session, output.midi, cast.to_json(), output.musicxml):
        told(f"  {kind:<8} {shown(path)}")
