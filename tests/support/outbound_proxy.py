"""A real proxy (proxy.py) in a process of its own, on a free port; certificates of a CA that nobody knows."""

import datetime
import ipaddress
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.scripted_upstream import PATIENCE

LOGIN = "canary-user:canary-p%40ss"
"""User and password, as the URL of a proxy writes them."""
SECRETS = ("canary-p%40ss", "canary-p@ss", "Y2FuYXJ5LXVzZXI6Y2FuYXJ5LXBAc3M=")


class OutboundProxy:
    """proxy.py. `options` are its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = "-u -m proxy --hostname 127.0.0.1 --port 0 --num-workers 1 --num-acceptors 1 --log-level d"
        self._process = subprocess.Popen(
            [sys.executable, *command.split(), "--data-dir", str(folder), "--timeout", "600", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._reading = threading.Thread(target=self._read)
        self._reading.start()
        self.port = int(self.saw(r"Listening on 127\.0\.0\.1:(\d+)")[1])
        self.secure = "--cert-file" in options

    def url(self, login: str | None = None, host: str = "127.0.0.1") -> str:
        """Its address."""
        return f"{'https' if self.secure else 'http'}://{f'{login}@' if login else ''}{host}:{self.port}"

    def saw(self, pattern: str) -> re.Match[str]:
        """Waits until its log says so."""
        with self._changed:
            self._changed.wait_for(lambda: self._match(pattern) or self._process.poll() is not None, PATIENCE)
            match = self._match(pattern)
        assert match, f"the proxy did not say {pattern!r}: {''.join(self._lines[-50:])}"
        return match

    def stop(self) -> None:
        """At once, in the middle of whatever passes through it."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._reading.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _match(self, pattern: str) -> re.Match[str] | None:
        return next((match for line in self._lines if (match := re.search(pattern, line))), None)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()


@dataclass(frozen=True)
class Certificates:
    """A CA, and a server's certificate that it signed for `localhost` and 127.0.0.1."""

    ca: Path
    cert: Path
    key: Path

    def server(self) -> ssl.SSLContext:
        """What a server speaks TLS with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context

    @classmethod
    def make(cls, folder: Path) -> "Certificates":
        """New ones, as files in `folder`."""
        files = cls(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
        ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        issuer = _name("a CA that nobody knows")
        rights = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        ca = _draft(issuer, issuer, ca_key).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        ca = ca.add_extension(rights, True)
        hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        cert = _draft(_name("localhost"), issuer, key)
        cert = cert.add_extension(x509.SubjectAlternativeName(hosts), False)
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
        cert = cert.add_extension(signer, False)
        pem = serialization.Encoding.PEM
        files.ca.write_bytes(ca.sign(ca_key, hashes.SHA256()).public_bytes(pem))
        files.cert.write_bytes(cert.sign(ca_key, hashes.SHA256()).public_bytes(pem))
        plain = serialization.NoEncryption()
        files.key.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
        return files


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _draft(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(own, False)
    )


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Of a CA that no machine trusts."""
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


StartProxy = Callable[..., OutboundProxy]


@pytest.fixture(scope="session")
def start_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartProxy]:
    """`start_proxy(*options)`: another proxy, with proxy.py's own options."""
    with ExitStack() as stack:

        def start(*options: str) -> OutboundProxy:
            proxy = OutboundProxy(tmp_path_factory.mktemp("proxy"), *options)
            stack.callback(proxy.stop)
            return proxy

        yield start


@pytest.fixture(scope="session")
def plain_proxy(start_proxy: StartProxy) -> OutboundProxy:
    """One for everybody."""
    return start_proxy()


@pytest.fixture(scope="session")
def locked_proxy(start_proxy: StartProxy) -> OutboundProxy:
    """One that asks for `LOGIN`."""
    return start_proxy("--basic-auth", "canary-user:canary-p@ss")


@pytest.fixture(scope="session")
def secure_proxy(start_proxy: StartProxy, certificates: Certificates) -> OutboundProxy:
    """One that speaks TLS itself."""
    return start_proxy("--cert-file", str(certificates.cert), "--key-file", str(certificates.key))
