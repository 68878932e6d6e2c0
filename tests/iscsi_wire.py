"""An initiator that misbehaves: iSCSI spoken by hand, so that a test can stop half way through a login or never read.

Just enough of RFC 7143 for that: one connection, CHAP with MD5, READ(10). Real initiators are in `iscsi`.
"""

import hashlib
import socket
import struct
from types import TracebackType

_LOGIN, _COMMAND = 0x43, 0x01
_SECURITY, _OPERATIONAL, _FULL = 0, 1, 3
_TRANSIT = 0x80


class Refused(Exception):
    """The target ended the login; `status` is its class and detail, such as 0x0201 for a wrong password."""

    def __init__(self, status: int) -> None:
        super().__init__(f"login refused, status {status:#06x}")
        self.status = status


class WireInitiator:
    """One TCP connection to a target, logged in as far as the test wants."""

    def __init__(self, *, portal: str, target: str, initiator: str, receive_buffer: int | None = None) -> None:
        host, _, port = portal.rpartition(":")
        self._names = {"InitiatorName": initiator, "TargetName": target, "SessionType": "Normal"}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(10)
        self._socket.connect((host, int(port)))
        self._command_number = 1

    def __enter__(self) -> "WireInitiator":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def begin(self, *, method: str = "CHAP", **keys: str) -> dict[str, str]:
        """The first step: say who we are. The target compares its lists of initiators now, and never again."""
        return self._login(_SECURITY, None, {**self._names, **keys, "AuthMethod": method})

    def authenticate(self, username: str, password: str) -> None:
        """The middle: CHAP. After it only `finish` is missing, and no session exists yet."""
        challenge = self._login(_SECURITY, None, {"CHAP_A": "5"})
        number, value = int(challenge["CHAP_I"]), bytes.fromhex(challenge["CHAP_C"][2:])
        digest = hashlib.md5(bytes([number]) + password.encode() + value, usedforsecurity=False).hexdigest()
        self._login(_SECURITY, _OPERATIONAL, {"CHAP_N": username, "CHAP_R": f"0x{digest}"})

    def finish(self) -> None:
        """The last step: become a session."""
        keys = {"MaxRecvDataSegmentLength": "262144", "HeaderDigest": "None", "DataDigest": "None"}
        for _ in range(5):
            if self._login(_OPERATIONAL, _FULL, keys).get("_transit"):
                return
            keys = {}
        raise AssertionError("the target does not end the negotiation")

    def skip_security(self) -> None:
        """Try to log in without any password, by starting in the second stage."""
        self._login(_OPERATIONAL, _FULL, self._names)

    def ask_for(self, *, megabytes: int) -> None:
        """Send READ commands for so much and read nothing of what comes."""
        for index in range(megabytes):
            cdb = struct.pack(">BBIBHB6x", 0x28, 0, index * 2048, 0, 2048, 0)
            head = struct.pack(">BB2xI", _COMMAND, 0xC0, 0) + b"\x00\x01" + bytes(6)
            numbers = struct.pack(">IIII", index, 1 << 20, self._command_number, 1)
            self._command_number += 1
            self._socket.sendall(head + numbers + cdb)

    def closed(self) -> bool:
        """Read until the target has closed the connection."""
        try:
            while self._socket.recv(1 << 20):
                pass
        except ConnectionError:
            return True
        return True

    def _login(self, stage: int, following: int | None, keys: dict[str, str]) -> dict[str, str]:
        data = b"".join(f"{key}={value}".encode() + b"\0" for key, value in keys.items())
        flags = stage << 2 | (0 if following is None else _TRANSIT | following)
        head = struct.pack(">BBBBI", _LOGIN, flags, 0, 0, len(data))
        identity = b"\x80\x12\x34\x56\x00\x01" + struct.pack(">HIHHII16x", 0, 1, 0, 0, self._command_number, 0)
        self._socket.sendall(head + identity + data + bytes(-len(data) % 4))
        answer = self._read(48)
        length = int.from_bytes(answer[5:8], "big")
        text = self._read(length + -length % 4)[:length]
        (status,) = struct.unpack(">H", answer[36:38])
        if status:
            raise Refused(status)
        pairs = (item.partition(b"=") for item in text.split(b"\0") if item)
        found = {key.decode(): value.decode() for key, _, value in pairs}
        return {**found, "_transit": "yes"} if answer[1] & _TRANSIT else found

    def _read(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            chunk = self._socket.recv(length - len(data))
            if not chunk:
                raise ConnectionError("the target closed the connection")
            data += chunk
        return data
