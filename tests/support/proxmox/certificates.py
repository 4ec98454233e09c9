"""An authority and a node's certificate, made with openssl once per process."""

import atexit
import hashlib
import os
import shutil
import ssl
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

PREFIX = "simulated-proxmox-"


@dataclass(frozen=True)
class Certificates:
    ca: Path
    certificate: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        """SHA-256 as the web page of a node shows it: AA:BB:..."""
        der = ssl.PEM_cert_to_DER_cert(self.certificate.read_text())
        return _colons(hashlib.sha256(der).hexdigest())

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


@cache
def shared() -> Certificates:
    return make()


def make() -> Certificates:
    """An authority of its own each time: nobody trusts the certificate of another."""
    _forget_the_dead()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    subject = ("-subj", "/CN=Proxmox Virtual Environment/O=PVE Cluster Manager CA")
    ca, ca_key = folder / "pve-root-ca.pem", folder / "pve-root-ca.key"
    _openssl(
        *("req", "-x509", *new_key, *subject, "-days", "30", "-keyout", ca_key, "-out", ca),
        *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
    )
    certificate, key = folder / "pve-ssl.pem", folder / "pve-ssl.key"
    _openssl(
        *("req", "-x509", *new_key, "-subj", "/CN=pve1", "-days", "30", "-keyout", key, "-out", certificate),
        *("-CA", ca, "-CAkey", ca_key, "-addext", "basicConstraints=critical,CA:FALSE"),
        *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-addext", "extendedKeyUsage=serverAuth"),
    )
    return Certificates(ca, certificate, key)


def _forget_the_dead() -> None:
    """Workers of pytest-xdist and killed processes leave their folders behind."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        if not psutil.pid_exists(int(folder.name.removeprefix(PREFIX).split("-")[0])):
            shutil.rmtree(folder, ignore_errors=True)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def _colons(digits: str) -> str:
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2)).upper()
