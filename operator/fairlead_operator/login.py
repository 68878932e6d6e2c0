"""How kopf gets at the API server: as the pod's ServiceAccount, else by the user's kubeconfig."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import kopf


def log_in(environment: Mapping[str, str] = os.environ, **kwargs: Any) -> kopf.ConnectionInfo | None:
    """Return the connection, or None when there is neither account nor kubeconfig.

    Args:
        environment: this process's.
        kwargs: what kopf passes to a login handler.
    """
    account = kopf.login_with_service_account(**kwargs)
    if account is None:
        return kopf.login_with_kubeconfig(**kwargs)
    host = environment.get("KUBERNETES_SERVICE_HOST")
    if not host:
        return account
    # kopf goes by the API server's name. Whoever serves storage must not need the cluster's DNS, which may itself be a
    # pod that waits for its storage.
    host = f"[{host}]" if ":" in host else host
    return dataclasses.replace(account, server=f"https://{host}:{environment.get('KUBERNETES_SERVICE_PORT', '443')}")
