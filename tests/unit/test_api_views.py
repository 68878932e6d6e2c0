"""Attachments and volumes in answers."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from fairlead_api.attachments import state, view
from fairlead_api.attachments.connection import Connections
from fairlead_api.attachments.schemas import AttachmentDetail
from fairlead_api.identity.caller import Caller
from fairlead_api.protocol.faults import Unavailable
from fairlead_api.protocol.microversion import Microversion
from fairlead_api.volumes import view as volume_view
from fairlead_api.volumes.schemas import VolumeDetail
from fairlead_api.volumes.status import derive
from fairlead_api.volumes.view import Viewer
from fairlead_crds import names
from fairlead_crds.credentials import KeyRing
from fairlead_kube.errors import NotFound
from rest_objects import CONNECTOR, VOLUME_ID, attachment, volume

CALLER = Caller("u", "p")


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 24, 2, 3, 50, 754730, UTC), "2026-11-24T02:03:50.754730"),
        (datetime(2026, 11, 24, 2, 3, 50, 0, UTC), "2026-11-24T02:03:50.000000"),
        (datetime.fromisoformat("2026-11-24T04:03:50+02:00"), "2026-11-24T02:03:50.000000"),
        (None, None),
    ],
)
def test_times_have_six_digits_and_no_zone(moment: datetime | None, text: str | None) -> None:
    assert view.timestamp(moment) == text


def test_a_reserved_attachment_has_these_eight_keys() -> None:
    assert view.detail(attachment(), volume(), {}) == {
        "id": "08a7264e-f05a-4e5c-9627-b36a5f9d7c44",
        "status": "reserved",
        "instance": None,
        "volume_id": VOLUME_ID,
        "attached_at": "",
        "detached_at": "",
        "attach_mode": "null",
        "connection_info": {},
    }


def test_a_summary_has_the_first_four() -> None:
    assert list(view.summary(attachment(), volume())) == ["id", "status", "instance", "volume_id"]


@pytest.mark.parametrize(
    ("spec", "mode"),
    [
        ({}, "null"),
        ({"accessMode": "ReadOnly"}, "ro"),
        ({"accessMode": "ReadWrite"}, "rw"),
        ({"connector": {**CONNECTOR, "mode": "ro"}}, "ro"),
        ({"connector": {**CONNECTOR, "mode": None}}, "null"),
        ({"accessMode": "ReadOnly", "connector": {**CONNECTOR, "mode": "rw"}}, "ro"),
        ({"connector": CONNECTOR}, "null"),
        # kubectl's: what is in force.
        ({"connector": CONNECTOR, "writeSecret": True}, "rw"),
    ],
)
def test_attach_mode_is_what_was_asked_for(spec: dict[str, Any], mode: str) -> None:
    made = "attaching" if spec.get("connector") else "reserved"
    assert state.attach_mode(attachment(state=made, **spec)) == mode


@pytest.mark.parametrize(
    ("made", "completed", "status"),
    [
        ("reserved", False, "reserved"),
        ("attaching", False, "attaching"),
        ("attached", True, "attached"),
        ("reserved", True, "attached"),
    ],
)
def test_completed_counts_before_exported(made: str, completed: bool, status: str) -> None:
    assert state.attach_status(attachment(state=made, completed=completed)) == status


# --- connection_info -------------------------------------------------------------------------------------------------

KEY = b"k" * 32
RING = KeyRing.new(KEY)
CHAP = {
    "phase": "Exported",
    "handle": "h1",
    "keyID": RING.current,
    "backendName": "fast",
    "connectionInfo": {
        "driverVolumeType": "iscsi",
        "data": {"target_portal": "192.0.2.10:3260", "auth_method": "CHAP", "auth_username": "h1"},
    },
}


class Secrets:
    """The API server's Secrets, counted."""

    def __init__(self, ring: KeyRing | None) -> None:
        self.ring, self.reads = ring, 0

    async def get(self, endpoint: Any, name: str, namespace: str) -> dict[str, Any]:
        self.reads += 1
        assert (name, namespace) == (names.backend_key_secret("fast"), "system")
        if self.ring is None:
            raise NotFound(404, "NotFound", "no such secret")
        return {"data": self.ring.to_secret()}


async def described(connections: Connections, **spec: Any) -> dict[str, Any]:
    item = attachment(state="attaching", status=CHAP, **spec)
    await connections.prepare([item])
    return connections.describe(CALLER, item, VOLUME_ID)


async def test_connection_info_is_flat_and_carries_the_derived_password() -> None:
    secrets = Secrets(RING)
    connections = Connections(secrets, "system")  # type: ignore[arg-type]
    assert await described(connections) == {
        "target_portal": "192.0.2.10:3260",
        "auth_method": "CHAP",
        "auth_username": "h1",
        "auth_password": RING.password("h1", None),
        "volume_id": VOLUME_ID,
        "qos_specs": None,
        "access_mode": "rw",
        "encrypted": False,
        "cacheable": False,
        "driver_volume_type": "iscsi",
        "attachment_id": "08a7264e-f05a-4e5c-9627-b36a5f9d7c44",
        "enforce_multipath": False,
    }
    await described(connections)
    assert secrets.reads == 1


async def test_the_connectors_wish_for_multipath_comes_back() -> None:
    connections = Connections(Secrets(RING), "system")  # type: ignore[arg-type]
    info = await described(connections, connector={**CONNECTOR, "enforce_multipath": True})
    assert info["enforce_multipath"] is True


async def test_a_read_only_attachment_says_so() -> None:
    connections = Connections(Secrets(RING), "system")  # type: ignore[arg-type]
    assert (await described(connections, accessMode="ReadOnly"))["access_mode"] == "ro"


async def test_a_new_key_id_makes_it_read_the_keys_again() -> None:
    secrets = Secrets(KeyRing.new(b"old" * 8))
    connections = Connections(secrets, "system")  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="Attach it again"):
        await described(connections)
    secrets.ring = RING
    assert (await described(connections))["auth_password"] == RING.password("h1", None)


async def test_a_key_that_cannot_be_read_is_named_and_not_shown() -> None:
    connections = Connections(Secrets(None), "system")  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="fairlead-backend-key-fast"):
        await described(connections)


def test_without_an_export_there_is_no_connection_info() -> None:
    connections = Connections(SimpleNamespace(), "system")  # type: ignore[arg-type]
    assert connections.describe(CALLER, attachment(), VOLUME_ID) == {}


# --- volumes ---------------------------------------------------------------------------------------------------------


def shown(version: str, *, admin: bool = True, segment: str | None = None, **spec: Any) -> dict[str, Any]:
    item = volume(**spec)
    viewer = Viewer(Microversion.parse(version), admin, "http://h:8776", segment)
    return volume_view.detail(item, derive(item, []), viewer, "p")


@pytest.mark.parametrize(
    ("version", "keys"),
    [
        ("3.0", set()),
        ("3.13", {"group_id"}),
        ("3.21", {"group_id", "provider_id"}),
        ("3.48", {"group_id", "provider_id", "shared_targets", "service_uuid"}),
        ("3.61", {"group_id", "provider_id", "shared_targets", "service_uuid", "cluster_name"}),
        ("3.63", {"group_id", "provider_id", "shared_targets", "service_uuid", "cluster_name", "volume_type_id"}),
        (
            "3.71",
            {
                "group_id",
                "provider_id",
                "shared_targets",
                "service_uuid",
                "cluster_name",
                "volume_type_id",
                "consumes_quota",
            },
        ),
    ],
)
def test_keys_come_with_their_microversion(version: str, keys: set[str]) -> None:
    assert set(shown(version)) - set(shown("3.0")) == keys


def test_some_keys_are_administrators_only() -> None:
    assert set(shown("3.71")) - set(shown("3.71", admin=False)) == {
        "migration_status",
        "provider_id",
        "cluster_name",
        "os-vol-host-attr:host",
        "os-vol-mig-status-attr:migstat",
        "os-vol-mig-status-attr:name_id",
    }


@pytest.mark.parametrize("version", ["3.0", "3.27", "3.48", "3.71"])
@pytest.mark.parametrize("admin", [True, False])
def test_the_documented_model_fits(version: str, admin: bool) -> None:
    VolumeDetail.model_validate(shown(version, admin=admin), strict=True)
    AttachmentDetail.model_validate(view.detail(attachment(), volume(), {}))


def test_links_have_the_project_only_when_the_url_had_it() -> None:
    assert shown("3.0")["links"][0]["href"] == f"http://h:8776/v3/volumes/{VOLUME_ID}"
    assert [link["href"] for link in shown("3.0", segment="p")["links"]] == [
        f"http://h:8776/v3/p/volumes/{VOLUME_ID}",
        f"http://h:8776/p/volumes/{VOLUME_ID}",
    ]


@pytest.mark.parametrize(("size", "gib"), [("1Gi", 1), ("1025Mi", 2), ("1", 1), ("10G", 10), ("3Ti", 3072)])
def test_a_size_is_rounded_up_to_gib(size: str, gib: int) -> None:
    assert shown("3.0", size=size)["size"] == gib


def test_only_attached_attachments_are_in_the_volume() -> None:
    item = volume()
    attachments = [
        attachment("00000000-0000-4000-8000-000000000001", state="reserved"),
        attachment("00000000-0000-4000-8000-000000000002", state="attaching", created=1),
        attachment("00000000-0000-4000-8000-000000000003", state="attached", created=2, instanceID="s"),
    ]
    viewer = Viewer(Microversion(3, 0), True, "http://h", None)
    assert volume_view.detail(item, derive(item, attachments), viewer, None)["attachments"] == [
        {
            "id": VOLUME_ID,
            "attachment_id": "00000000-0000-4000-8000-000000000003",
            "volume_id": VOLUME_ID,
            "server_id": "s",
            "host_name": "node-1",
            "device": "/dev/vdb",
            "attached_at": "2026-11-24T02:03:50.754730",
        }
    ]


def test_who_is_no_administrator_does_not_see_the_host() -> None:
    item = volume()
    viewer = Viewer(Microversion(3, 0), False, "http://h", None)
    body = volume_view.detail(item, derive(item, [attachment(state="attached")]), viewer, None)
    assert body["attachments"][0]["host_name"] is None


@pytest.mark.parametrize(
    ("connector", "device"),
    [({"host": "h"}, "na"), ({"host": "h", "mountpoint": None}, "na"), ({"mountpoint": "/dev/vdc"}, "/dev/vdc")],
)
def test_a_device_that_is_not_named_is_na(connector: dict[str, Any], device: str) -> None:
    assert state.device(attachment(state="attaching", connector=connector)) == device


def test_the_readonly_flag_shows_among_the_metadata() -> None:
    item = volume(
        annotations={names.ANNOTATION_ADMIN_METADATA: '{"readonly":"True","secret":"x"}'}, metadata={"a": "b"}
    )
    assert volume_view.shown_metadata(item) == {"a": "b", "readonly": "True"}


@pytest.mark.parametrize(("version", "shown"), [("3.35", None), ("3.36", {"a": ["2", "1"], "b": ["x"]})])
async def test_the_summary_has_each_value_of_a_key_once_in_order(version: str, shown: Any) -> None:
    volumes = [
        volume(size="1536Mi", metadata=metadata) for metadata in ({"a": "2"}, {"a": "1", "b": "x"}, {"a": "2"}, {})
    ]
    totals = await volume_view.totals(volumes, Microversion.parse(version))
    expected = {"total_count": 4, "total_size": 8} | ({} if shown is None else {"metadata": shown})
    assert totals == expected
