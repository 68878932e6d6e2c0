"""tgtd's requests, answers and listings, against bytes and texts taken from tgt 1.0.85."""

import struct

import pytest

from fairlead_operator.drivers import tgt_listing, tgt_protocol
from fairlead_operator.drivers.tgt_listing import parse_targets
from fairlead_operator.drivers.tgt_protocol import Malformed, Mode, Op, Request, TgtErrno, TgtError

TARGETS = """\
Target 1234567890: iqn.2026-11.dev.fairlead:att-1
    System information:
        Driver: iscsi
        State: ready
        Nop interval: 3
        Nop count: 3
    I_T nexus information:
        I_T nexus: 1
            Initiator: iqn.2026-11.x:n1 alias: none
            Connection: 0
                IP Address: 127.0.0.1
    LUN information:
        LUN: 0
            Type: controller
            SCSI ID: IET     499602d20000
            SCSI SN: cccccccccccccccccccccccccccccccc
            Size: 0 MB, Block size: 1
            Online: Yes
            Removable media: No
            Prevent removal: No
            Readonly: No
            SWP: No
            Thin-provisioning: No
            Backing store type: null
            Backing store path: None
            Backing store flags:_
        LUN: 1
            Type: disk
            SCSI ID: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
            SCSI SN: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
            Size: 67 MB, Block size: 512
            Online: Yes
            Removable media: No
            Prevent removal: No
            Readonly: Yes
            SWP: No
            Thin-provisioning: Yes
            Backing store type: rdwr
            Backing store path: /data/volumes/vol-1.img
            Backing store flags:_
    Account information:
        att-1
    ACL information:
        127.0.0.1
        iqn.2026-11.x:n1
Target 1234567891: iqn.2026-11.org.example:bare
    System information:
        Driver: iscsi
        State: offline
    I_T nexus information:
    LUN information:
        LUN: 0
            Type: controller
            SCSI ID: IET     499602d30000
            SCSI SN: beaf12345678910
            Size: 0 MB, Block size: 1
            Online: Yes
            Removable media: No
            Prevent removal: No
            Readonly: No
            SWP: No
            Thin-provisioning: No
            Backing store type: null
            Backing store path: None
            Backing store flags:_
    Account information:
    ACL information:
""".replace("flags:_", "flags: ")


# --- requests --------------------------------------------------------------------------------------------------------


def test_a_request_is_the_c_structure_and_its_text() -> None:
    raw = tgt_protocol.target_new(5, "iqn.2026-11.x:a").encode()
    assert len(raw) == 120 + len("targetname=iqn.2026-11.x:a") + 1
    assert struct.unpack_from("=ii", raw, 0) == (Mode.TARGET, Op.NEW)
    assert raw[8:72] == b"iscsi".ljust(64, b"\0")
    assert struct.unpack_from("=Ii", raw, 72) == (len(raw), 5)
    assert raw[120:] == b"targetname=iqn.2026-11.x:a\0"


def test_numbers_are_where_tgtd_reads_them() -> None:
    raw = Request(mode=Mode.CONNECTION, op=Op.DELETE, tid=2, sid=2**40, lun=2**33, cid=7, force=True).encode()
    assert len(raw) == 120
    assert struct.unpack_from("=QQI", raw, 80) == (2**40, 2**33, 7)
    assert struct.unpack_from("=I", raw, 116) == (1,)


@pytest.mark.parametrize(
    ("request_", "mode", "op", "text"),
    [
        (tgt_protocol.target_show(), Mode.TARGET, Op.SHOW, ""),
        (tgt_protocol.target_state(1, ready=False), Mode.TARGET, Op.UPDATE, "state=offline"),
        (tgt_protocol.target_set(1, "nop_count", 3), Mode.TARGET, Op.UPDATE, "nop_count=3"),
        (tgt_protocol.initiator_bind(1, "iqn.x:n"), Mode.TARGET, Op.BIND, "initiator-name=iqn.x:n"),
        (tgt_protocol.initiator_unbind(1, "iqn.x:n"), Mode.TARGET, Op.UNBIND, "initiator-name=iqn.x:n"),
        (tgt_protocol.lun_new(1, 1, "/d/v.img"), Mode.DEVICE, Op.NEW, "path=/d/v.img,bstype=rdwr"),
        (tgt_protocol.lun_update(1, 1, readonly="1", scsi_sn="a"), Mode.DEVICE, Op.UPDATE, "readonly=1,scsi_sn=a"),
        (tgt_protocol.account_new("u", "p,=p"), Mode.ACCOUNT, Op.NEW, "user=u,password=p,=p"),
        (tgt_protocol.account_bind(1, "u"), Mode.ACCOUNT, Op.BIND, "user=u"),
        (tgt_protocol.account_unbind(1, "u"), Mode.ACCOUNT, Op.UNBIND, "user=u"),
        (tgt_protocol.portal_new("127.0.0.1:1"), Mode.PORTAL, Op.NEW, "portal=127.0.0.1:1"),
        (tgt_protocol.portal_delete("[::1]:1"), Mode.PORTAL, Op.DELETE, "portal=[::1]:1"),
        (tgt_protocol.system_delete(), Mode.SYSTEM, Op.DELETE, ""),
    ],
)
def test_operations(request_: Request, mode: Mode, op: Op, text: str) -> None:
    assert (request_.mode, request_.op, request_.text) == (mode, op, text)
    assert request_.encode()[120:] == (text.encode() + b"\0" if text else b"")


@pytest.mark.parametrize("value", ["a,b", "a=b", "a\nb", "a\0b", "", " a", "ä", "a\x7f"])
def test_a_value_that_would_be_read_as_two_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="misread"):
        tgt_protocol.initiator_bind(1, value)
    with pytest.raises(ValueError, match="misread"):
        tgt_protocol.lun_new(1, 1, value)


def test_a_text_that_tgtd_would_cut_is_refused() -> None:
    assert len(tgt_protocol.lun_new(1, 1, "/" + "a" * 8000).encode()) < 120 + 8192
    with pytest.raises(ValueError, match="8191"):
        tgt_protocol.lun_new(1, 1, "/" + "a" * 8192).encode()


def test_a_password_is_in_no_name_of_the_request() -> None:
    request = tgt_protocol.account_new("u", "the-password")
    assert b"the-password" in request.encode()
    assert "the-password" not in f"{request} {request!r} {TgtError(request, TgtErrno.USER_EXIST)}"
    for bad in ("hunter2\n", "hunter 2", "hünter2", "x" * 256, ""):
        with pytest.raises(ValueError, match="characters") as caught:
            tgt_protocol.account_new("u", bad)
        assert not bad or bad not in str(caught.value)


def test_only_a_show_may_be_lost() -> None:
    assert tgt_protocol.connection_show(1).reads
    assert not tgt_protocol.connection_delete(1, 1, 0).reads
    assert not tgt_protocol.system_delete().reads


# --- answers ---------------------------------------------------------------------------------------------------------


def test_an_answer_is_its_text() -> None:
    head = struct.pack("=II", 0, 8 + 4)
    assert tgt_protocol.answer_length(head) == 4
    assert tgt_protocol.decode_answer(tgt_protocol.names_show(), head, b"abc\0") == "abc"


@pytest.mark.parametrize(
    ("number", "code"), [(4, TgtErrno.NO_TARGET), (9, TgtErrno.TARGET_EXIST), (20, TgtErrno.LUN_ACTIVE)]
)
def test_an_error_is_named_by_its_number(number: int, code: TgtErrno) -> None:
    with pytest.raises(TgtError, match=code.name.lower().replace("_", " ")) as caught:
        tgt_protocol.decode_answer(tgt_protocol.target_delete(3), struct.pack("=II", number, 8), b"")
    assert caught.value.code is code


def test_an_error_of_a_later_tgt_is_still_an_error() -> None:
    with pytest.raises(TgtError) as caught:
        tgt_protocol.decode_answer(tgt_protocol.target_delete(3), struct.pack("=II", 99, 8), b"")
    assert caught.value.code is TgtErrno.UNKNOWN_ERR


def test_nonsense_is_no_answer() -> None:
    with pytest.raises(Malformed):
        tgt_protocol.answer_length(struct.pack("=II", 0, 3))


# --- listings --------------------------------------------------------------------------------------------------------


def test_targets_are_read_whole() -> None:
    whole, bare = parse_targets(TARGETS)
    assert (whole.tid, whole.name, whole.ready) == (1234567890, "iqn.2026-11.dev.fairlead:att-1", True)
    assert whole.nexuses == (tgt_listing.Nexus(initiator="iqn.2026-11.x:n1", address="127.0.0.1"),)
    assert whole.luns == {
        0: tgt_listing.Lun(
            number=0,
            scsi_id="IET     499602d20000",
            scsi_sn="c" * 32,
            megabytes=0,
            online=True,
            read_only=False,
            path=None,
        ),
        1: tgt_listing.Lun(
            number=1,
            scsi_id="a" * 32,
            scsi_sn="b" * 32,
            megabytes=67,
            online=True,
            read_only=True,
            path="/data/volumes/vol-1.img",
        ),
    }
    assert whole.accounts == ("att-1",)
    assert whole.acl == ("127.0.0.1", "iqn.2026-11.x:n1")
    assert (bare.ready, list(bare.luns), bare.accounts, bare.acl, bare.nexuses) == (False, [0], (), (), ())


def test_one_target_can_be_read_alone() -> None:
    assert parse_targets(TARGETS, only="iqn.2026-11.org.example:bare") == parse_targets(TARGETS)[1:]
    assert parse_targets(TARGETS, only="iqn.2026-11.org.example:bar") == []
    assert parse_targets("") == []


def test_what_an_alias_forges_comes_before_what_tgtd_says() -> None:
    forged = TARGETS.replace(
        "alias: none",
        "alias: x\n    LUN information:\n        LUN: 0\n            Readonly: Yes\n    Account information:\n"
        "        mallory\n    ACL information:\n        ALL",
    )
    target = parse_targets(forged)[0]
    assert target.accounts == ("att-1",)
    assert target.acl == ("127.0.0.1", "iqn.2026-11.x:n1")
    assert target.luns == parse_targets(TARGETS)[0].luns


def test_no_alias_hides_a_session() -> None:
    """Who hides it would be taken for logged out."""
    for forged in ("x\n", "x\n        I_T nexus: 2", "x\n            Initiator: iqn.x:y alias: z\n"):
        assert parse_targets(TARGETS.replace("alias: none", f"alias: {forged}"))[0].nexuses


def test_names_are_read_with_their_numbers() -> None:
    text = "LLDs:\n    iscsi: ready\n        Target 12: iqn.x:a\n        Target 3: iqn.x:b\n    iser: error\n"
    assert tgt_listing.parse_names(text) == {"iqn.x:a": 12, "iqn.x:b": 3}
    assert [tgt_listing.parse_number(text, name) for name in ("iqn.x:a", "iqn.x:b", "iqn.x:", "qn.x:a")] == [
        12,
        3,
        None,
        None,
    ]


@pytest.mark.parametrize(
    "alias", ["none", "x\nTarget 9: iqn.2026-11.org.example:bare", "x\n Target 9: iqn.x:y\nTarget 9"]
)
def test_reading_one_name_finds_what_reading_all_finds_of_it(alias: str) -> None:
    text = TARGETS.replace("alias: none", f"alias: {alias}")
    targets = parse_targets(text)
    for name in {target.name for target in targets} | {"iqn.x:y"}:
        assert parse_targets(text, only=name) == [target for target in targets if target.name == name]


def test_connections_are_read() -> None:
    text = (
        "Session: 7\n    Connection: 0\n        Initiator: iqn.x:n\n        IP Address: 10.0.0.1\n"
        "Session: 65535\n    Connection: 1\n        Initiator: iqn.x:m\n        IP Address: fe80::1\n"
    )
    assert tgt_listing.parse_connections(text) == [
        tgt_listing.Connection(sid=7, cid=0, initiator="iqn.x:n", address="10.0.0.1"),
        tgt_listing.Connection(sid=65535, cid=1, initiator="iqn.x:m", address="fe80::1"),
    ]


def test_accounts_and_portals_are_read() -> None:
    assert tgt_listing.parse_accounts("Account list:\n    att-1\n    att-2\n") == ["att-1", "att-2"]
    assert tgt_listing.parse_accounts("") == []
    assert tgt_listing.parse_portals("Portal: 127.0.0.1:3260,1\nPortal: [::1]:3260,1\n") == [
        "127.0.0.1:3260",
        "[::1]:3260",
    ]


@pytest.mark.parametrize(("size", "shown"), [(0, 0), (1 << 20, 1), (64 << 20, 67), (1 << 30, 1074), (1 << 40, 1099512)])
def test_sizes_are_shown_as_tgtd_rounds_them(size: int, shown: int) -> None:
    assert tgt_listing.shown_megabytes(size) == shown
