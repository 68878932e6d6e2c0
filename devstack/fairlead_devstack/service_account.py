"""Speak to the API server as a ServiceAccount, as a pod would."""

import base64
from pathlib import Path

import yaml
from kubernetes import client

from fairlead_devstack.api_client import connect
from fairlead_devstack.kubeconfig import write_kubeconfig


def service_account_kubeconfig(
    admin_kubeconfig: Path, *, namespace: str, name: str, path: Path, expiration_seconds: int = 24 * 3600
) -> Path:
    """Write a kubeconfig that speaks as a ServiceAccount, by a token from the TokenRequest API.

    Args:
        admin_kubeconfig: A kubeconfig whose user may create the token; its server and CA are taken over.
        namespace: The ServiceAccount's namespace.
        name: The ServiceAccount's name; it must exist.
        path: The file to write.
        expiration_seconds: How long the token is good for.

    Returns:
        The path.

    Raises:
        kubernetes.client.ApiException: The server refused, for example because there is no such ServiceAccount.
        RuntimeError: The answer had no token.
    """
    with connect(admin_kubeconfig) as api:
        answer = client.CoreV1Api(api).create_namespaced_service_account_token(
            name,
            namespace,
            client.AuthenticationV1TokenRequest(
                spec=client.V1TokenRequestSpec(audiences=[], expiration_seconds=expiration_seconds)
            ),
        )
    if answer.status is None or answer.status.token is None:
        raise RuntimeError(f"the API server answered without a token for ServiceAccount {namespace}/{name}")
    cluster = yaml.safe_load(admin_kubeconfig.read_text())["clusters"][0]["cluster"]
    return write_kubeconfig(
        path,
        server=cluster["server"],
        ca_pem=base64.b64decode(cluster["certificate-authority-data"]),
        token=answer.status.token,
        user=f"system:serviceaccount:{namespace}:{name}",
        namespace=namespace,
    )
