"""Keys and certificates of one control plane: CA, server, the kubelets' client, and the key that signs tokens."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_NAMES = [
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
]
_ADDRESSES = ["127.0.0.1", "::1", "10.96.0.1"]
_ADMINS = "system:masters"
_FILES = ("ca.crt", "serving.crt", "serving.key", "kubelet-client.crt", "kubelet-client.key", "service-account.key")
_LIFETIME = dt.timedelta(days=365)


@dataclass(frozen=True)
class Pki:
    """Where the files are."""

    ca: Path
    serving_cert: Path
    serving_key: Path
    kubelet_client_cert: Path
    kubelet_client_key: Path
    service_account_key: Path


def make(directory: Path, host: str) -> Pki:
    """Write a fresh set into the directory; the CA's own key is never written. The components serve at `host`."""
    ca_key, serving_key, client_key, token_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))
    ca = _ca(ca_key)
    pki = Pki(*(directory / name for name in _FILES))
    _write_certificate(pki.ca, ca)
    _write_certificate(pki.serving_cert, _serving(serving_key, {*_ADDRESSES, host}, ca, ca_key))
    _write_certificate(pki.kubelet_client_cert, _client(client_key, ca, ca_key))
    _write_key(pki.serving_key, serving_key)
    _write_key(pki.kubelet_client_key, client_key)
    _write_key(pki.service_account_key, token_key)
    return pki


def _ca(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _name("hostport embedded control plane")
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _serving(
    key: ec.EllipticCurvePrivateKey, hosts: set[str], ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    addresses = [x509.IPAddress(ipaddress.ip_address(a)) for a in sorted(hosts)]
    return (
        _builder(_name("kube-apiserver"), ca.subject, key)
        .add_extension(x509.SubjectAlternativeName([*map(x509.DNSName, _NAMES), *addresses]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _client(
    key: ec.EllipticCurvePrivateKey, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    return (
        _builder(_name("kube-apiserver-kubelet-client", _ADMINS), ca.subject, key)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + _LIFETIME)
    )


def _name(common: str, group: str = "") -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _write_certificate(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    # Kubernetes reads the public half of an EC key out of the traditional format only.
    form, secret = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, secret))
