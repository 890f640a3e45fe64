"""--add-guest: a code with which somebody may listen without a name and a password."""

import argparse
import secrets
from urllib.parse import quote

from cli.common import server_of
from config_bach import Paths
from storage.bundle import Bundle
from stream import settings

LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another
LENGTH = 10  # letters, of which nobody guesses 2 to the 49th power


def add_guest(args: argparse.Namespace, paths: Paths, bundle: Bundle | None = None) -> None:
    """Write a code into play_bach.json and print it, and the link that has it. Raises UserError."""
    from stream.server import address_of

    server = server_of(paths)
    code = f"{args.add_guest}-{''.join(secrets.choice(LETTERS) for _ in range(LENGTH))}"
    settings.change(paths, guests=[*server.guests, code])
    print(f"code {code}")
    print(f"link {address_of(server)}?code={quote(code)}")
    print("start the server again to let them in; take the code out of guests to keep them out")
