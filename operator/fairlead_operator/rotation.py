"""The console script `fairlead-rotate-key`: give a Backend a new key for CHAP passwords.

New attachments use the new key as soon as the operator has seen it (at its next sweep); those that are exported keep
theirs until they are attached anew, so no session is disturbed. `--prune` then drops keys that nobody uses any more.
Run it with an administrator's kubeconfig: it reads and writes the key's Secret.
"""

import argparse
import asyncio
import secrets
import sys

from fairlead_crds.credentials import KeyRing, key_id
from fairlead_crds.names import LABEL_BACKEND, SYSTEM_NAMESPACE, backend_key_secret
from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import ATTACHMENTS, SECRETS
from fairlead_kube.errors import KubeError, NotFound
from fairlead_operator.keys import KEY_BYTES


async def rotate(client: KubeClient, backend: str, namespace: str) -> str:
    """Make a new key the current one, keep the others, and return its id.

    Raises:
        NotFound: the Backend has no key yet; its operator makes the first one.
    """
    name = backend_key_secret(backend)
    found = await client.get(SECRETS, name, namespace)
    ring = KeyRing.from_secret(found["data"])
    key = secrets.token_bytes(KEY_BYTES)
    await _write(client, name, namespace, found, KeyRing(key_id(key), {**ring.keys, key_id(key): key}))
    return key_id(key)


async def prune(client: KubeClient, backend: str, namespace: str) -> list[str]:
    """Drop the keys that are neither current nor named by an Attachment's status; return their ids.

    An Attachment in the act of being exported has no key in its status yet, and gets the current one.
    """
    name = backend_key_secret(backend)
    found = await client.get(SECRETS, name, namespace)
    ring = KeyRing.from_secret(found["data"])
    attachments = await client.list(ATTACHMENTS, label_selector=f"{LABEL_BACKEND}={backend}")
    used = {ring.current} | {a.status.key_id for a in attachments.items if a.status.key_id is not None}
    dropped = sorted(set(ring.keys) - used)
    if dropped:
        kept = {name: key for name, key in ring.keys.items() if name in used}
        await _write(client, name, namespace, found, KeyRing(ring.current, kept))
    return dropped


async def _write(client: KubeClient, name: str, namespace: str, found: object, ring: KeyRing) -> None:
    assert isinstance(found, dict)
    await client.replace(SECRETS, name, {**found, "data": ring.to_secret()}, namespace)


def main() -> None:
    """Rotate or prune, and say what was done."""
    parser = argparse.ArgumentParser(
        prog="fairlead-rotate-key",
        description="Give a Backend a new key for CHAP passwords. What is exported keeps its own until attached anew.",
    )
    parser.add_argument("backend", help="name of the Backend")
    parser.add_argument("--system-namespace", default=SYSTEM_NAMESPACE, help="where its key is (default: %(default)s)")
    parser.add_argument("--prune", action="store_true", help="drop the keys that no Attachment uses any more")
    given = parser.parse_args()

    async def act() -> str:
        async with await KubeClient.from_environment(parser.prog) as client:
            if given.prune:
                dropped = await prune(client, given.backend, given.system_namespace)
                return f"dropped: {', '.join(dropped)}" if dropped else "every key is in use"
            return f"new key: {await rotate(client, given.backend, given.system_namespace)}"

    try:
        print(asyncio.run(act()))
    except NotFound:
        sys.exit(f"Backend {given.backend!r} has no key in namespace {given.system_namespace!r}; is it served?")
    except (KubeError, ValueError) as error:
        sys.exit(f"fairlead-rotate-key: {error}")


if __name__ == "__main__":
    main()
