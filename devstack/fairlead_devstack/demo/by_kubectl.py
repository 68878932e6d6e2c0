"""The main job through Kubernetes' door: a volume goes to one node, is taken away from it, and goes to another."""

import base64
from typing import Any

from fairlead_devstack.demo.journey import Journey
from fairlead_devstack.demo.kubectl import Kubectl
from fairlead_devstack.demo.narration import chapter, check, check_soon, show, tell, timed
from fairlead_devstack.initiator import NOT_ADMITTED, WRONG_PASSWORD, Access, LoggedIn, try_login

MEBIBYTES = 64
PATTERN, LATE_PATTERN = 0x5A, 0xBB

_VOLUME = "ledger"
_NODE_A, _NODE_B = "node-a", "node-b"

_VOLUME_MANIFEST = f"""\
apiVersion: fairlead.dev/v1alpha1
kind: Volume
metadata:
  name: {_VOLUME}
spec:
  size: 1Gi
"""


def run(kubectl: Kubectl) -> list[Journey]:
    """Do it, step by step.

    Returns:
        The two attachments.

    Raises:
        CheckFailed: something is not as it must be.
        InitiatorFailed: a node could not do its I/O.
    """
    chapter("Part 1: kubectl")
    first, second = (Journey(door="kubectl", volume=_VOLUME, node=node) for node in (_NODE_A, _NODE_B))

    tell(f"A volume of 1 GiB, and an Attachment that asks for it on {_NODE_A}.")
    access = _attach(kubectl, first, _VOLUME_MANIFEST)
    kubectl("get", "flvol,flatt")

    tell(f"{_NODE_A} logs in with the Secret's credentials and writes {MEBIBYTES} MiB of 0x{PATTERN:02x}.")
    with timed() as writing:
        node_a = LoggedIn(access)
    with node_a:
        with timed() as io:
            node_a.write(mebibytes=MEBIBYTES, pattern=PATTERN)
        first.write = writing.seconds + io.seconds
        check(True, f"{MEBIBYTES} MiB written in {io.seconds:.2f} s")

        tell("Nobody else gets in, and not even this node without the right password.")
        refuse_strangers(access)

        tell(f"Now take the volume away while {_NODE_A} is logged in.")
        connection = node_a.connection()
        check(connection is not None, f"{_NODE_A} has a live session, from {connection}")
        with timed() as detaching:
            kubectl("delete", "flatt", _NODE_A)
            kubectl("wait", "flvol", _VOLUME, "--for=jsonpath={.status.phase}=Available", "--timeout=20s")
        first.detach = detaching.seconds
        check_soon(lambda: node_a.connection() != connection, f"the session from {connection} is dead")
        refuse_everybody(access)
        node_a.begin_write(pattern=LATE_PATTERN)
        show(f"{_NODE_A} writes 0x{LATE_PATTERN:02x} all the same; its initiator keeps trying to reconnect")

        tell(f"The same volume on {_NODE_B}: the data are there, and nothing of what {_NODE_A} wrote too late.")
        access = _attach(kubectl, second)
        with timed() as reading, LoggedIn(access) as node_b:
            node_b.read(mebibytes=MEBIBYTES, pattern=PATTERN)
        second.read = reading.seconds
        check(True, f"{_NODE_B} read {MEBIBYTES} MiB of 0x{PATTERN:02x} in {reading.seconds:.2f} s")
        check(not node_a.has_confirmed(), f"nobody has confirmed {_NODE_A}'s late write")

    with timed() as detaching:
        kubectl("delete", "flatt", _NODE_B)
        kubectl("wait", "flvol", _VOLUME, "--for=jsonpath={.status.phase}=Available", "--timeout=20s")
    second.detach = detaching.seconds
    refuse_everybody(access)
    kubectl("delete", "flvol", _VOLUME)
    return [first, second]


def refuse_strangers(access: Access) -> None:
    """Show that a wrong password, a wrong initiator and no password at all are refused.

    Raises:
        CheckFailed: one was let in.
    """
    answer = try_login(access.with_password("not-the-password"))
    check(answer.status == WRONG_PASSWORD, f"a wrong password is refused: {answer.outcome}")
    answer = try_login(access.as_initiator(initiator_of("somebody-else")))
    check(answer.status == NOT_ADMITTED, f"a wrong initiator name is refused: {answer.outcome}")
    answer = try_login(access.without_credentials())
    check(answer.refused, f"no password at all is refused: {answer.outcome}")


def refuse_everybody(access: Access) -> None:
    """Show that the login that worked is refused after the detachment.

    Raises:
        CheckFailed: it still works.
    """
    answer = try_login(access)
    check(answer.refused, f"the same login is refused now: {answer.outcome}")


def initiator_of(node: str) -> str:
    """The name of a node's initiator."""
    return f"iqn.2026-11.org.example:{node}"


def _attach(kubectl: Kubectl, journey: Journey, before: str = "") -> Access:
    """Ask for the volume on the journey's node, wait, and learn how the node gets at it."""
    node = journey.node
    manifest = f"""\
apiVersion: fairlead.dev/v1alpha1
kind: Attachment
metadata:
  name: {node}
spec:
  volumeName: {_VOLUME}
  connector:
    host: {node}
    initiator: {initiator_of(node)}
"""
    with timed() as attaching:
        kubectl.apply(f"{before}---\n{manifest}" if before else manifest)
        kubectl("wait", "flatt", node, "--for=condition=Exported", "--timeout=20s")
    journey.attach = attaching.seconds
    status = kubectl.get("flatt", node)["status"]
    data = status["connectionInfo"]["data"]
    journey.target = data["target_iqn"]
    show(f"portal {data['target_portal']}, target {data['target_iqn']}, LUN {data['target_lun']}")
    secret: dict[str, Any] = kubectl.get("secret", status["secretRef"]["name"])["data"]
    username, password = (base64.b64decode(secret[key]).decode() for key in ("username", "password"))
    return Access.of(data, initiator=initiator_of(node), username=username, password=password)
