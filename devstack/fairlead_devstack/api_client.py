"""The official client, connected by a kubeconfig."""

from pathlib import Path

from kubernetes import client, config


def connect(kubeconfig: Path) -> client.ApiClient:
    """Connect as the kubeconfig's user, without touching the client's global configuration.

    Args:
        kubeconfig: The file.

    Returns:
        A client, to be closed by the caller or used as a context manager.
    """
    connected: client.ApiClient = config.new_client_from_config(  # type: ignore[no-untyped-call]
        config_file=str(kubeconfig), persist_config=False
    )
    return connected
