"""A session spoken by hand that is never made anew: once cut off it stays cut off, unlike a real node's."""

import struct

from iscsi import Access
from iscsi_wire import WireInitiator

_READ, _NOP_OUT = 0x01, 0x00
_NOP_IN, _RESPONSE, _DATA_IN = 0x20, 0x21, 0x25
_HAS_STATUS, _GOOD = 0x01, 0x00
_NOBODY = 0xFFFFFFFF


class Session(WireInitiator):
    """Logged in from the start; raises OSError or Refused when it is not let in or is cut off."""

    def __init__(self, access: Access) -> None:
        super().__init__(portal=access.portal, target=access.target, initiator=access.initiator)
        try:
            self.begin()
            self.authenticate(access.username or "", access.password or "")
            self.finish()
        except BaseException:
            self._socket.close()
            raise
        self._answered = 0

    def read(self) -> bool:
        """Read one block. False when the target answers with anything but success."""
        cdb = struct.pack(">BBIBHB6x", 0x28, 0, 0, 0, 1, 0)
        head = struct.pack(">BB2xI", _READ, 0xC0, 0) + b"\x00\x01" + bytes(6)
        number = self._command_number
        self._command_number += 1
        self._socket.sendall(head + struct.pack(">IIII", number, 512, number, self._answered + 1) + cdb)
        while True:
            answer = self._read(48)
            length = int.from_bytes(answer[5:8], "big")
            data = self._read(length + -length % 4)[:length]
            kind, flags, status = answer[0] & 0x3F, answer[1], answer[3]
            (task,) = struct.unpack(">I", answer[16:20])
            if kind == _NOP_IN:
                self._pong(answer, data)
            elif task == number and (kind == _RESPONSE or (kind == _DATA_IN and flags & _HAS_STATUS)):
                (self._answered,) = struct.unpack(">I", answer[24:28])
                return status == _GOOD
            elif kind not in (_RESPONSE, _DATA_IN):
                raise ConnectionError(f"the target sent {kind:#04x}")

    def _pong(self, ping: bytes, data: bytes) -> None:
        """Answer the target's question whether we live, when it is one."""
        (tag,) = struct.unpack(">I", ping[20:24])
        if tag == _NOBODY:
            return
        head = struct.pack(">BB2xI", 0x40 | _NOP_OUT, 0x80, len(data)) + ping[8:16]
        numbers = struct.pack(">IIII", _NOBODY, tag, self._command_number, self._answered + 1)
        self._socket.sendall(head + numbers + bytes(16) + data + bytes(-len(data) % 4))
