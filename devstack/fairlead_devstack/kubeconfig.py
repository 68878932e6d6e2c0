"""Kubeconfig files: an address, a certificate to trust, a token to show."""

import base64
import os
from pathlib import Path

import yaml


def write_kubeconfig(
    path: Path, *, server: str, ca_pem: bytes, token: str, user: str, namespace: str = "default"
) -> Path:
    """Write a kubeconfig that stands by itself: no other file is needed to use it.

    Args:
        path: The file; only its owner may read it.
        server: The API server's URL.
        ca_pem: The certificate authority to trust.
        token: The bearer token.
        user: The user's name, for the reader only; the token decides.
        namespace: The namespace of commands that name none.

    Returns:
        The path.
    """
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "fairlead",
                "cluster": {"server": server, "certificate-authority-data": base64.b64encode(ca_pem).decode()},
            }
        ],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": user, "context": {"cluster": "fairlead", "user": user, "namespace": namespace}}],
        "current-context": user,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written aside and renamed: a reader finds the whole file or the former one.
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        yaml.safe_dump(document, file, sort_keys=False)
    aside.replace(path)
    return path
