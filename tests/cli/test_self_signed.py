"""--self-signed: a certificate for the names of this machine, which the server takes."""

import json
import os
import socket
import ssl
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from cli.self_signed import CERTIFICATE, DAYS, KEY, made
from config_bach import Paths, UserError
from stream.settings import Server, load_or_create, path_of
from stream.tls import Certificate

Run = Callable[..., None]


def names_of(pem: bytes) -> list[str]:
    certificate = x509.load_pem_x509_certificate(pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in names]


def test_it_writes_a_certificate_that_the_server_takes(
    run: Run, paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--self-signed", "bach.example", "10.1.2.3")
    said = capsys.readouterr().out
    server, _ = load_or_create(paths)
    assert (server.certificate, server.key) == (CERTIFICATE, KEY)
    assert Certificate(server, paths.root)
    names = names_of((paths.root / CERTIFICATE).read_bytes())
    assert names[:2] == ["bach.example", "10.1.2.3"]
    assert {"localhost", "127.0.0.1", "::1", socket.gethostname()} <= set(names)
    assert f"user bach, password {server.password}   (shown this once)" in said
    assert "https://127.0.0.1:8800/" in said
    if os.name == "posix":
        for name in (CERTIFICATE, KEY):
            assert stat.S_IMODE((paths.root / name).stat().st_mode) == 0o600


def test_what_was_there_is_kept(run: Run, paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    run("--self-signed")
    assert "with a number" not in capsys.readouterr().out
    before = [(paths.root / name).read_bytes() for name in (CERTIFICATE, KEY)]
    run("--self-signed")
    assert "with a number" in capsys.readouterr().out
    kept = [(paths.root / name).read_bytes() for name in ("certificate.1.pem", "key.1.pem")]
    assert kept == before
    assert (paths.root / CERTIFICATE).read_bytes() != before[0]


def test_phones_accept_its_form() -> None:
    """Apple asks for at most 825 days, names as SAN, and the usage; it may sign nothing else."""
    certificate = x509.load_pem_x509_certificate(made(["x.example"])[0])
    assert certificate.not_valid_after_utc - datetime.now(UTC) <= timedelta(days=DAYS)
    assert certificate.not_valid_after_utc - datetime.now(UTC) > timedelta(days=DAYS - 1)
    assert certificate.not_valid_before_utc < datetime.now(UTC) - timedelta(hours=12)
    extension = certificate.extensions.get_extension_for_class
    assert extension(x509.BasicConstraints).value.ca is False
    assert ExtendedKeyUsageOID.SERVER_AUTH in extension(x509.ExtendedKeyUsage).value


def test_a_client_that_was_told_of_it_believes_it_for_its_names() -> None:
    certificate = made(["bach.example", "*.bach.example", "2001:db8::1"])[0].decode()
    assert ssl.create_default_context(cadata=certificate)
    assert names_of(certificate.encode()) == ["bach.example", "*.bach.example", "2001:db8::1"]


@pytest.mark.parametrize("name", ["a/b", "a b", "a-", "a..b", "x" * 64, "1.2.3.4.", "é", "a\n"])
def test_what_is_no_name_is_refused_before_anything_is_written(
    run: Run, paths: Paths, name: str
) -> None:
    path_of(paths).write_text('{"password": "x"}')
    with pytest.raises(UserError, match="is no host name and no IP address"):
        run("--self-signed", name)
    assert [x.name for x in paths.root.glob("*.pem")] == []
    assert path_of(paths).read_text() == '{"password": "x"}'


def test_a_certificate_of_somebody_else_is_left_in_use(run: Run, paths: Paths) -> None:
    own = Server(password="x", certificate="/etc/x.pem", key="/etc/y.pem")
    path_of(paths).write_text(json.dumps(own.to_json()))
    with pytest.raises(UserError, match=r"has the certificate /etc/x.pem already"):
        run("--self-signed")
    assert [x.name for x in paths.root.glob("*.pem")] == []
