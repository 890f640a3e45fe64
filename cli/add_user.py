"""--add-user: let somebody else log in, with a password of their own."""

import argparse

from cli.common import server_of
from config_bach import Paths, UserError
from storage.bundle import Bundle
from stream import settings


def add_user(args: argparse.Namespace, paths: Paths, bundle: Bundle | None = None) -> None:
    """Write a user into play_bach.json and print the password, once. Raises UserError."""
    server, name = server_of(paths), args.add_user
    if name in server.users:
        raise UserError(
            f"'{name}' is a user already: take the name out of users in {settings.path_of(paths)} first."
        )
    password = settings.new_password()
    settings.change(paths, users={**server.users, name: password})
    print(f"user {name}, password {password}   (shown this once)")
    print("start the server again to let them in")
