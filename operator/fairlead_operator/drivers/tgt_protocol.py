"""What is said on tgtd's management socket: one request in, one answer out, then the connection is over.

A request is a C structure of 120 bytes in native byte order, followed by NUL-terminated text such as
`targetname=...`; an answer is two 32-bit numbers (error, length including these eight bytes) and text.
Source: tgt 1.0.85, `usr/tgtadm.h`, `usr/tgtadm_error.h`, `usr/mgmt.c`. Nothing here does I/O.

Three of tgtd's habits shape the rest of the driver:

* Options are found in the text by substring, so a value that contains `initiator-address=` or a comma would be read
  as a second option. Values are therefore checked here, at the last door.
* `show` dereferences a null pointer after the first of several accounts was unbound from a target. The driver never
  unbinds an account from a target; it deletes the target.
* A login that stalled half way refers to its target by number. Numbers are therefore never used twice.
"""

import enum
import re
import struct
from dataclasses import dataclass, field

from fairlead_operator.drivers.base import DriverError

_REQUEST = struct.Struct("=ii64sIiQQIIIIII")
_ANSWER = struct.Struct("=II")

ANSWER_HEAD = _ANSWER.size
"""Bytes of an answer before its text."""

MAX_TEXT = 8 * 1024 - 1
"""Bytes of text that tgtd accepts in one request, without the terminating NUL (`MAX_MGT_BUFSIZE`)."""

_PLAIN = re.compile(r"[\x21-\x2b\x2d-\x3c\x3e-\x7e]+(?: [\x21-\x2b\x2d-\x3c\x3e-\x7e]+)*")
_SECRET = re.compile(r"[\x21-\x7e]{1,255}")

ALL_TARGETS = -1


class Mode(enum.IntEnum):
    """What a request is about (`enum tgtadm_mode`)."""

    SYSTEM = 0
    TARGET = 1
    DEVICE = 2
    PORTAL = 3
    LLD = 4
    SESSION = 5
    CONNECTION = 6
    ACCOUNT = 7


class Op(enum.IntEnum):
    """What to do with it (`enum tgtadm_op`)."""

    NEW = 0
    DELETE = 1
    SHOW = 2
    BIND = 3
    UNBIND = 4
    UPDATE = 5


class TgtErrno(enum.IntEnum):
    """tgtd's error numbers (`enum tgtadm_errno`); each has one meaning, unlike tgtadm's exit status 22."""

    SUCCESS = 0
    UNKNOWN_ERR = 1
    NOMEM = 2
    NO_DRIVER = 3
    NO_TARGET = 4
    NO_LUN = 5
    NO_SESSION = 6
    NO_CONNECTION = 7
    NO_BINDING = 8
    TARGET_EXIST = 9
    LUN_EXIST = 10
    BINDING_EXIST = 11
    ACL_EXIST = 12
    ACL_NOEXIST = 13
    USER_EXIST = 14
    NO_USER = 15
    TOO_MANY_USER = 16
    INVALID_REQUEST = 17
    OUTACCOUNT_EXIST = 18
    TARGET_ACTIVE = 19
    LUN_ACTIVE = 20
    DRIVER_ACTIVE = 21
    UNSUPPORTED_OPERATION = 22
    UNKNOWN_PARAM = 23
    PREVENT_REMOVAL = 24

    @classmethod
    def _missing_(cls, value: object) -> "TgtErrno":
        return cls.UNKNOWN_ERR


class TgtError(DriverError):
    """tgtd refused a request: it took no effect.

    Attributes:
        code: why, by tgtd's number.
    """

    def __init__(self, request: "Request", code: TgtErrno) -> None:
        super().__init__(f"tgtd refused '{request}': {code.name.lower().replace('_', ' ')}")
        self.code = code


class Malformed(DriverError):
    """What came from the socket is no answer of tgtd's."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request. `str` names it for messages and never contains the text, which may hold a password."""

    mode: Mode
    op: Op
    tid: int = 0
    sid: int = 0
    lun: int = 0
    cid: int = 0
    force: bool = False
    text: str = field(default="", repr=False)

    @property
    def reads(self) -> bool:
        """True when the request changes nothing, so that losing its answer loses nothing."""
        return self.op is Op.SHOW

    def encode(self) -> bytes:
        """The bytes to send."""
        text = self.text.encode("ascii") + b"\0" if self.text else b""
        if len(text) > MAX_TEXT + 1:
            raise ValueError(f"'{self}' has {len(text)} bytes of text; tgtd takes {MAX_TEXT}")
        length = _REQUEST.size + len(text)
        head = _REQUEST.pack(
            self.mode, self.op, b"iscsi", length, self.tid, self.sid, self.lun, self.cid, 0, 0, 0, 0, self.force
        )
        return head + text

    def __str__(self) -> str:
        words = [self.mode.name.lower(), self.op.name.lower()]
        if self.tid > 0:
            words.append(f"tid {self.tid}")
        if self.mode is Mode.DEVICE:
            words.append(f"lun {self.lun}")
        if self.sid:
            words.append(f"sid {self.sid} cid {self.cid}")
        return " ".join(words)


def answer_length(head: bytes) -> int:
    """Bytes of text that follow this answer's first eight bytes.

    Raises:
        Malformed: when the length cannot be.
    """
    _, length = _ANSWER.unpack(head)
    if length < ANSWER_HEAD:
        raise Malformed(f"tgtd announced an answer of {length} bytes")
    return int(length) - ANSWER_HEAD


def decode_answer(request: Request, head: bytes, text: bytes) -> str:
    """The text of an answer.

    Raises:
        TgtError: when tgtd refused the request.
    """
    code, _ = _ANSWER.unpack(head)
    if code != TgtErrno.SUCCESS:
        raise TgtError(request, TgtErrno(code))
    return text.rstrip(b"\0").decode("utf-8", errors="replace")


def _plain(name: str, value: str) -> str:
    """The value, proven to be one option's value and no more."""
    if not _PLAIN.fullmatch(value):
        raise ValueError(f"{name} {value!r} has a character that tgtd would misread (a comma, '=' or a control)")
    return value


def target_new(tid: int, name: str) -> Request:
    """Make a target that nobody may log in to."""
    return Request(mode=Mode.TARGET, op=Op.NEW, tid=tid, text=f"targetname={_plain('target name', name)}")


def target_delete(tid: int, *, force: bool = False) -> Request:
    """Delete a target with its LUNs and lists; without `force` refused (TARGET_ACTIVE) while a session lives."""
    return Request(mode=Mode.TARGET, op=Op.DELETE, tid=tid, force=force)


def target_state(tid: int, *, ready: bool) -> Request:
    """Open or close a target: one that is offline refuses every login and fails every command of live sessions."""
    return Request(mode=Mode.TARGET, op=Op.UPDATE, tid=tid, text=f"state={'ready' if ready else 'offline'}")


def target_set(tid: int, parameter: str, value: int) -> Request:
    """Set one of a target's own parameters, such as `nop_interval`; it counts for later logins."""
    return Request(mode=Mode.TARGET, op=Op.UPDATE, tid=tid, text=f"{_plain('parameter', parameter)}={value}")


def target_show() -> Request:
    """Every target with sessions, LUNs, accounts and lists; see `tgt_listing.parse_targets`."""
    return Request(mode=Mode.TARGET, op=Op.SHOW, tid=ALL_TARGETS)


def initiator_bind(tid: int, initiator: str) -> Request:
    """Admit an initiator by name; from here on it may log in."""
    return Request(mode=Mode.TARGET, op=Op.BIND, tid=tid, text=f"initiator-name={_plain('initiator', initiator)}")


def initiator_unbind(tid: int, initiator: str) -> Request:
    """Admit it no more; live sessions stay."""
    return Request(mode=Mode.TARGET, op=Op.UNBIND, tid=tid, text=f"initiator-name={_plain('initiator', initiator)}")


def lun_new(tid: int, lun: int, path: str) -> Request:
    """Put a file behind a LUN; tgtd opens it and takes its size once, now."""
    return Request(mode=Mode.DEVICE, op=Op.NEW, tid=tid, lun=lun, text=f"path={_plain('path', path)},bstype=rdwr")


def lun_update(tid: int, lun: int, **params: str) -> Request:
    """Set attributes of a LUN: `readonly`, `scsi_id`, `scsi_sn`, `thin_provisioning`, ..."""
    text = ",".join(f"{key}={_plain(key, value)}" for key, value in params.items())
    return Request(mode=Mode.DEVICE, op=Op.UPDATE, tid=tid, lun=lun, text=text)


def lun_delete(tid: int, lun: int) -> Request:
    """Take a LUN away; refused (LUN_ACTIVE) while a command runs on it."""
    return Request(mode=Mode.DEVICE, op=Op.DELETE, tid=tid, lun=lun)


def account_new(user: str, password: str) -> Request:
    """Make a CHAP account; it opens nothing until it is bound to a target."""
    if not _SECRET.fullmatch(password):
        raise ValueError(f"the password of account {user!r} is not 1 to 255 printable characters")
    return Request(mode=Mode.ACCOUNT, op=Op.NEW, text=f"user={_plain('user', user)},password={password}")


def account_delete(user: str) -> Request:
    """Delete an account, which also unbinds it from every target."""
    return Request(mode=Mode.ACCOUNT, op=Op.DELETE, text=f"user={_plain('user', user)}")


def account_bind(tid: int, user: str) -> Request:
    """Let initiators that the target admits log in with this account, and none without one."""
    return Request(mode=Mode.ACCOUNT, op=Op.BIND, tid=tid, text=f"user={_plain('user', user)}")


def account_unbind(tid: int, user: str) -> Request:
    """The reverse; a target left without any account asks for no password."""
    return Request(mode=Mode.ACCOUNT, op=Op.UNBIND, tid=tid, text=f"user={_plain('user', user)}")


def account_show() -> Request:
    """The names of every account; passwords cannot be read back."""
    return Request(mode=Mode.ACCOUNT, op=Op.SHOW)


def connection_show(tid: int) -> Request:
    """Live connections of a target."""
    return Request(mode=Mode.CONNECTION, op=Op.SHOW, tid=tid)


def connection_delete(tid: int, sid: int, cid: int) -> Request:
    """Close a connection; tgtd does so when it next looks at it, so list again."""
    return Request(mode=Mode.CONNECTION, op=Op.DELETE, tid=tid, sid=sid, cid=cid)


def names_show() -> Request:
    """Number and name of every target and nothing else: some 50 bytes each, where `target_show` takes 1,100."""
    return Request(mode=Mode.LLD, op=Op.SHOW)


def portal_show() -> Request:
    """The addresses that tgtd listens on."""
    return Request(mode=Mode.PORTAL, op=Op.SHOW)


def portal_new(portal: str) -> Request:
    """Listen on one more address, `host:port`."""
    return Request(mode=Mode.PORTAL, op=Op.NEW, text=f"portal={_plain('portal', portal)}")


def portal_delete(portal: str) -> Request:
    """Stop listening there; live sessions stay."""
    return Request(mode=Mode.PORTAL, op=Op.DELETE, text=f"portal={_plain('portal', portal)}")


def system_show() -> Request:
    """tgtd's own state; the cheapest proof that it answers."""
    return Request(mode=Mode.SYSTEM, op=Op.SHOW)


def system_delete() -> Request:
    """End tgtd; refused (INVALID_REQUEST) while it has targets."""
    return Request(mode=Mode.SYSTEM, op=Op.DELETE)
