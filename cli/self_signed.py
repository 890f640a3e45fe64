"""--self-signed: a certificate of one's own, with which both ports speak HTTPS."""

import argparse
import ipaddress
import re
import socket
import stat
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.common import server_of
from config_bach import Paths, UserError, require
from storage.bundle import Bundle
from storage.files import keep_previous, replacing
from stream import settings

CERTIFICATE, KEY = "certificate.pem", "key.pem"
DAYS = 825  # iPhones take no certificate that is good for longer
LONGEST_COMMON_NAME = 64  # characters
DNS_NAME = re.compile(
    r"(\*\.)?(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
    re.IGNORECASE | re.ASCII,
)


def self_signed(args: argparse.Namespace, paths: Paths, bundle: Bundle | None = None) -> None:
    """Write certificate.pem and key.pem, and both settings. Raises UserError."""
    from stream.server import address_of, own_address

    server = server_of(paths)
    if server.certificate not in ("", CERTIFICATE):
        raise UserError(
            f"play_bach.json has the certificate {server.certificate} already: take certificate and "
            "key out of it first."
        )
    addresses = [own_address(replace(server, host=host)) for host in (server.host, "0.0.0.0")]
    names = list(dict.fromkeys([*args.self_signed, *own_names(server.dns, *addresses)]))
    again = _write(paths, *made(names))
    changed = settings.change(paths, certificate=CERTIFICATE, key=KEY)
    print(f"{paths.root / CERTIFICATE} and {KEY}, good for {DAYS} days, for {', '.join(names)}")
    if again:
        print("  the files before are kept beside them, with a number in their names")
    print(f"play_bach.json names both; the next -st speaks HTTPS: {address_of(changed)}")
    print("  browsers warn of it, since only you vouch for it: see docs/https.md")


def _write(paths: Paths, certificate: bytes, key: bytes) -> bool:
    """Write both files, for their owner's eyes alone; returns whether there were some before."""
    files = {paths.root / CERTIFICATE: certificate, paths.root / KEY: key}
    before = any(path.exists() for path in files)
    keep_previous(*files)
    for path, content in files.items():
        with replacing(path, stat.S_IRUSR | stat.S_IWUSR) as aside:
            aside.write_bytes(content)
    return before


def own_names(*others: str) -> list[str]:
    """What this machine is called, by itself and in its network; and which `others` are names."""
    host = socket.gethostname()
    plain = host.partition(".")[0]
    names = (host, f"{plain}.local", "localhost", "127.0.0.1", "::1", *others)
    return list(dict.fromkeys(name for name in names if _is_name(name)))


def made(names: Sequence[str], days: int = DAYS) -> tuple[bytes, bytes]:
    """A certificate for host names and IP addresses, and its key, in PEM form.

    Raises UserError for what is neither. days: that it is good for; below 0 it has expired.
    """
    require("cryptography", "HTTPS")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    for name in names:
        if not _is_name(name):
            raise UserError(f"--self-signed: '{name}' is no host name and no IP address.")
    key = ec.generate_private_key(ec.SECP256R1())
    known_as = next((name for name in names if len(name) <= LONGEST_COMMON_NAME), "Play Bach")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, known_as)])
    now = datetime.now(UTC)
    extensions = (
        (x509.SubjectAlternativeName([_general_name(name) for name in names]), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
    )
    builder = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=abs(days) + 1 if days < 0 else 1))
        .not_valid_after(now + timedelta(days=days))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    signed = builder.sign(key, hashes.SHA256())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    return signed.public_bytes(pem), private


def _is_name(name: str) -> bool:
    return _address(name) is not None or bool(DNS_NAME.fullmatch(name))


def _address(name: str) -> Any:
    """An IP address; None for a host name."""
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _general_name(name: str) -> Any:
    from cryptography import x509

    address = _address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(address)
