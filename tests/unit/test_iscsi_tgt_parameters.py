"""Parameters of iscsi-tgt: defaults, and messages that tell a user what to change."""

from pathlib import Path
from typing import Any

import pydantic
import pytest

from fairlead_operator.drivers.iscsi_names import is_handle, is_initiator_name
from fairlead_operator.drivers.iscsi_tgt_parameters import IscsiTgtParameters


def parameters(**values: Any) -> IscsiTgtParameters:
    return IscsiTgtParameters.model_validate({"dataDir": "/srv/fairlead", **values})


def test_a_data_folder_is_enough() -> None:
    least = parameters()
    assert least.supervised
    assert least.run_folder == Path("/srv/fairlead/run")
    assert (least.listen, least.told_portal) == ("127.0.0.1:3260", "127.0.0.1:3260")
    assert least.iqn_prefix == "iqn.2026-11.dev.fairlead"
    assert least.io_threads == 1


def test_nodes_may_be_told_another_address() -> None:
    split = parameters(listenAddress="0.0.0.0", port=3261, portal="storage.example.org:13261")
    assert (split.listen, split.told_portal) == ("0.0.0.0:3261", "storage.example.org:13261")
    assert parameters(listenAddress="fd00::1").told_portal == "[fd00::1]:3260"
    assert parameters(portal="[fd00::1]:3260").told_portal == "[fd00::1]:3260"


def test_a_socket_path_means_a_daemon_that_runs() -> None:
    existing = parameters(socketPath="/var/run/tgtd/socket.0", portal="10.0.0.1:3260")
    assert not existing.supervised
    assert existing.told_portal == "10.0.0.1:3260"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"dataDir": "srv/fairlead"}, "not an absolute path"),
        ({"dataDir": "/srv/../etc"}, "'..'"),
        ({"dataDir": "/srv/a,b"}, "misread"),
        ({"dataDir": "/srv/a b"}, "misread"),
        ({"runDir": "run"}, "not an absolute path"),
        ({"listenAddress": "localhost"}, "not an IP address"),
        ({"port": 0}, "greater than or equal to 1"),
        ({"port": 65536}, "less than or equal to 65535"),
        ({"portal": "10.0.0.1"}, "not host:port"),
        ({"portal": "10.0.0.1:0"}, "not host:port"),
        ({"portal": "fd00::1:3260"}, "not host:port"),
        ({"iqnPrefix": "iqn.2026-13.org.example"}, "reversed domain"),
        ({"iqnPrefix": "iqn.2026-11.org.example:x"}, "reversed domain"),
        ({"iqnPrefix": "fairlead"}, "reversed domain"),
        ({"ioThreads": 0}, "greater than or equal to 1"),
        ({"nodeTimeoutSeconds": 3}, "greater than or equal to 4"),
        ({"supervised": True, "socketPath": "/run/s", "portal": "a:1"}, "only one of them"),
        ({"supervised": False}, "needs socketPath"),
        ({"socketPath": "/run/s"}, "set portal"),
        ({"socketPath": "/run/s", "portal": "a:1", "port": 3260}, "leave them out"),
        ({"datadir": "/srv"}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_is_said(values: dict[str, Any], said: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=said):
        parameters(**values)


@pytest.mark.parametrize(
    "name",
    [
        "iqn.1993-08.org.debian:01:a1b2c3",
        "iqn.2026-11.dev.fairlead",
        "iqn.1991-05.com.microsoft:HOST-1_a.example.org",
        "eui.02004567A425678D",
        "naa.52004567BA64678D",
        "naa.62004567BA64678D0123456789ABCDEF",
    ],
)
def test_initiator_names(name: str) -> None:
    assert is_initiator_name(name)


@pytest.mark.parametrize(
    "name",
    [
        None,
        7,
        "",
        "node-1",
        "iqn.2026-00.x:a",
        "iqn.2026-11",
        "iqn.2026-11.x:",
        "iqn.2026-11.x:a b",
        "iqn.2026-11.x:a,b",
        "iqn.2026-11.x:initiator-address=ALL",
        "iqn.2026-11.x:a\n",
        "eui.0200",
        "iqn.2026-11.x:" + "a" * 220,
    ],
)
def test_what_is_no_initiator_name(name: object) -> None:
    assert not is_initiator_name(name)


def test_handles() -> None:
    assert is_handle("att-8a1b.2")
    for bad in ("", "-a", "a-", "A", "a_b", "a/b", "a" * 65):
        assert not is_handle(bad)
