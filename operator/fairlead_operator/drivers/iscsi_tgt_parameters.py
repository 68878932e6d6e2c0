"""Parameters of the driver `iscsi-tgt`: `Backend.spec.parameters`, checked before anything is started."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Self

import pydantic

from fairlead_operator.drivers.base import Parameters
from fairlead_operator.drivers.iscsi_names import is_target_prefix

_PORTAL = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)):([0-9]{1,5})")
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9._/+@:-]*")


def _absolute(path: Path) -> Path:
    text = str(path)
    if not path.is_absolute():
        raise ValueError(f"{text!r} is not an absolute path")
    if ".." in path.parts:
        raise ValueError(f"{text!r} contains '..'")
    if not _PLAIN_PATH.fullmatch(text):
        raise ValueError(f"{text!r} has a character that tgtd would misread; use letters, digits and . _ - + @ : /")
    return path


AbsolutePath = Annotated[Path, pydantic.AfterValidator(_absolute)]


class IscsiTgtParameters(Parameters):
    """Parameters of the driver `iscsi-tgt`."""

    data_dir: AbsolutePath = pydantic.Field(
        description="Folder for the volumes, on the file system that is to hold them; made when absent."
    )
    listen_address: str = pydantic.Field(
        default="127.0.0.1", description="IP address on which the supervised tgtd listens."
    )
    port: int = pydantic.Field(default=3260, ge=1, le=65535, description="TCP port on which it listens.")
    portal: str | None = pydantic.Field(
        default=None,
        description="`host:port` that nodes are told to connect to; by default `listenAddress:port`. Set it when "
        "nodes reach the target by another address than the one it listens on.",
    )
    supervised: bool = pydantic.Field(
        default=True, description="Start tgtd and keep it running. Otherwise name a running one in `socketPath`."
    )
    socket_path: AbsolutePath | None = pydantic.Field(
        default=None,
        description="Management socket of a running tgtd that serves this Backend alone, such as "
        "`/var/run/tgtd/socket.0`; needs `portal`, excludes `listenAddress`, `port` and `ioThreads`.",
    )
    run_dir: AbsolutePath | None = pydantic.Field(
        default=None,
        description="Folder for the management socket, the log and the fence's record; by default `<dataDir>/run`.",
    )
    iqn_prefix: str = pydantic.Field(
        default="iqn.2026-11.dev.fairlead",
        description="Start of every target's name; a colon and the attachment's handle follow.",
    )
    io_threads: int = pydantic.Field(
        default=1, ge=1, le=64, description="Threads that do the I/O of one volume in the supervised tgtd."
    )

    node_timeout_seconds: int = pydantic.Field(
        default=12,
        ge=4,
        le=300,
        description="Seconds after which the session of a node that answers nothing is closed, so that a node that "
        "hangs or lost its power cannot hold up its own detachment.",
    )

    @pydantic.model_validator(mode="before")
    @classmethod
    def _socket_path_means_existing(cls, values: object) -> object:
        """`socketPath` alone is enough: it says that tgtd is not to be started."""
        if isinstance(values, dict) and (values.get("socketPath") or values.get("socket_path")):
            values = {"supervised": False, **values}
        return values

    @pydantic.field_validator("listen_address")
    @classmethod
    def _is_address(cls, value: str) -> str:
        try:
            ipaddress.ip_address(value)
        except ValueError:
            raise ValueError(f"{value!r} is not an IP address (a name is allowed in portal)") from None
        return value

    @pydantic.field_validator("portal")
    @classmethod
    def _is_portal(cls, value: str | None) -> str | None:
        if value is not None:
            match = _PORTAL.fullmatch(value)
            if match is None or not 1 <= int(match[3]) <= 65535:
                raise ValueError(f"{value!r} is not host:port (an IPv6 address in brackets)")
        return value

    @pydantic.field_validator("iqn_prefix")
    @classmethod
    def _is_prefix(cls, value: str) -> str:
        if not is_target_prefix(value):
            raise ValueError(
                f"{value!r} is not iqn.<year>-<month>.<reversed domain>, such as iqn.2026-11.org.example.storage"
            )
        return value

    @pydantic.model_validator(mode="after")
    def _one_daemon(self) -> Self:
        if self.supervised and self.socket_path is not None:
            raise ValueError("supervised: true starts a tgtd, socketPath names one that runs; set only one of them")
        if not self.supervised and self.socket_path is None:
            raise ValueError("supervised: false needs socketPath, the management socket of the tgtd to use")
        if self.socket_path is not None:
            if {"listen_address", "port", "io_threads"} & self.model_fields_set:
                raise ValueError("listenAddress, port and ioThreads belong to a supervised tgtd; leave them out")
            if self.portal is None:
                raise ValueError("with socketPath, set portal: where nodes reach that tgtd cannot be guessed")
        return self

    @property
    def listen(self) -> str:
        """`host:port` as tgtd writes it."""
        host = f"[{self.listen_address}]" if ":" in self.listen_address else self.listen_address
        return f"{host}:{self.port}"

    @property
    def told_portal(self) -> str:
        """`host:port` for nodes."""
        return self.portal or self.listen

    @property
    def run_folder(self) -> Path:
        """The run folder."""
        return self.run_dir or self.data_dir / "run"
