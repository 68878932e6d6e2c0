"""The main job through the Block Storage API's door, as OpenStack's clients ask for it: reserve, connect, complete."""

from fairlead_devstack.demo.by_kubectl import (
    MEBIBYTES,
    PATTERN,
    initiator_of,
    refuse_everybody,
    refuse_strangers,
)
from fairlead_devstack.demo.journey import Journey
from fairlead_devstack.demo.kubectl import Kubectl
from fairlead_devstack.demo.narration import chapter, check, check_soon, tell, timed
from fairlead_devstack.demo.rest import Rest
from fairlead_devstack.initiator import Access, LoggedIn

PROJECT = "demo"
"""Nobody makes its namespace beforehand; the facade does, when it first sees the project."""

_NODE = "node-c"
_VOLUME = "archive"


def run(url: str, kubectl: Kubectl) -> list[Journey]:
    """Do it, step by step.

    Args:
        url: the facade's address.
        kubectl: to show that both doors lead to the same objects.

    Returns:
        The one attachment.

    Raises:
        CheckFailed: something is not as it must be.
        InitiatorFailed: a node could not do its I/O.
    """
    chapter("Part 2: REST")
    rest = Rest(url, PROJECT)
    journey = Journey(door="REST", volume=_VOLUME, node=_NODE)

    tell("Create a volume of 1 GiB.")
    volume = rest.ask("POST", "/volumes", {"volume": {"size": 1, "name": _VOLUME}}, expect=202)["volume"]["id"]
    check_soon(lambda: _status(rest, volume) == "available", "the volume is available")

    tell("Reserve it: an attachment without a connector.")
    with timed() as reserving:
        asked = {"attachment": {"volume_uuid": volume, "mode": "rw"}}
        attachment = rest.ask("POST", "/attachments", asked, expect=202)["attachment"]
    check(attachment["status"] == "reserved", "the attachment is reserved")
    check(attachment["connection_info"] == {}, "nothing is exported yet")
    path = f"/attachments/{attachment['id']}"

    tell(f"Connect it to {_NODE}. The answer comes when the export is there, and says all that the node needs.")
    with timed() as connecting:
        connector = {"initiator": initiator_of(_NODE), "host": _NODE, "ip": "127.0.0.1"}
        info = rest.ask("PUT", path, {"attachment": {"connector": connector}}, expect=200)["attachment"][
            "connection_info"
        ]
    journey.attach = reserving.seconds + connecting.seconds
    journey.target = info["target_iqn"]
    access = Access.of(
        info, initiator=initiator_of(_NODE), username=info["auth_username"], password=info["auth_password"]
    )

    tell(f"{_NODE} logs in with nothing but that answer, writes, and reads back.")
    with timed() as writing:
        node = LoggedIn(access)
        node.write(mebibytes=MEBIBYTES, pattern=PATTERN)
    with node:
        journey.write = writing.seconds
        with timed() as reading:
            node.read(mebibytes=MEBIBYTES, pattern=PATTERN)
        journey.read = reading.seconds
        check(True, f"{MEBIBYTES} MiB written in {writing.seconds:.2f} s and read in {reading.seconds:.2f} s")
        refuse_strangers(access)

        tell("The node says that it has connected.")
        rest.ask("POST", f"{path}/action", {"os-complete": None}, expect=204)
        check(_status(rest, volume) == "in-use", "the volume is in-use")
        shown = rest.ask("GET", path, expect=200)["attachment"]
        check(shown["status"] == "attached", "the attachment is attached")

        tell("kubectl shows the same two objects; the project is a namespace.")
        kubectl("get", "flvol,flatt", "--namespace", PROJECT)

        tell("Detach.")
        connection = node.connection()
        check(connection is not None, f"{_NODE} has a live session, from {connection}")
        with timed() as detaching:
            rest.ask("DELETE", path, expect=200)
        journey.detach = detaching.seconds
        check_soon(lambda: node.connection() != connection, f"the session from {connection} is dead")
    refuse_everybody(access)
    check(_status(rest, volume) == "available", "the volume is available again")

    rest.ask("DELETE", f"/volumes/{volume}", expect=202)
    check_soon(lambda: rest.send("GET", f"/volumes/{volume}").status == 404, "the volume is gone")
    return [journey]


def _status(rest: Rest, volume: str) -> str:
    status: str = rest.send("GET", f"/volumes/{volume}").body["volume"]["status"]
    return status
