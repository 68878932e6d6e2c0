"""tgtd's listings, parsed into records. The texts are meant for people; their shape is that of tgt 1.0.85.

A node's root can put line breaks into the alias that its initiator sends, and tgtd prints the alias as it came
(`usr/iscsi/session.c`), before the lines that matter. So a target's LUNs, accounts and lists are read from the last
place that starts them, which is tgtd's own, and of two records with one name the caller prefers the whole one. Proofs
of absence use `parse_names`, into which no initiator can write.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_TARGET = re.compile(r"^Target (\d+): (\S+)$", re.MULTILINE)
_NAMED = re.compile(r"^ {8}Target (\d+): (\S+)$", re.MULTILINE)
_NEXUS = re.compile(r"^ {12}Initiator: (\S+) alias: .*\n {12}Connection: \d+\n {16}IP Address: (.*)$", re.MULTILINE)
_CONNECTED = re.compile(r"^ {12}Connection: \d+$", re.MULTILINE)
_CONNECTION = re.compile(r"^Session: (\d+)\n +Connection: (\d+)\n +Initiator: (.*)\n +IP Address: (.*)$", re.MULTILINE)
_LUN_START = "    LUN information:\n        LUN: 0\n"
_SIZE = re.compile(r"(\d+) MB")


@dataclass(frozen=True, kw_only=True, slots=True)
class Nexus:
    """One session of a target. The initiator is `?` where an alias hides it."""

    initiator: str
    address: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Lun:
    """One LUN. `megabytes` is tgtd's own rounding (`shown_megabytes`); `path` is None for the controller, LUN 0."""

    number: int
    scsi_id: str
    scsi_sn: str
    megabytes: int
    online: bool
    read_only: bool
    path: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One target as `target show` tells it. `acl` mixes addresses and initiator names, as tgtd does."""

    tid: int
    name: str
    ready: bool
    nexuses: Sequence[Nexus]
    luns: Mapping[int, Lun]
    accounts: Sequence[str]
    acl: Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """One live connection, as `conn show` tells it."""

    sid: int
    cid: int
    initiator: str
    address: str


def parse_targets(text: str, *, only: str | None = None) -> list[Target]:
    """Every target of `target show`, or those named `only`: at 2,000 targets reading one is much cheaper."""
    targets = []
    for head in _TARGET.finditer(text) if only is None else _lines_of(only, _TARGET, text):
        following = _TARGET.search(text, head.end())
        end = following.start() if following is not None else len(text)
        targets.append(_target(int(head[1]), head[2], text[head.end() : end]))
    return targets


def parse_names(text: str) -> dict[str, int]:
    """Target numbers by name, from `lld show`."""
    return {match[2]: int(match[1]) for match in _NAMED.finditer(text)}


def parse_number(text: str, name: str) -> int | None:
    """The number of the target of that name, from `lld show`; None when there is none."""
    return next((int(match[1]) for match in _lines_of(name, _NAMED, text)), None)


def parse_connections(text: str) -> list[Connection]:
    """Connections of one target, from `conn show`."""
    return [
        Connection(sid=int(match[1]), cid=int(match[2]), initiator=match[3], address=match[4])
        for match in _CONNECTION.finditer(text)
    ]


def parse_accounts(text: str) -> list[str]:
    """Account names, from `account show`."""
    return [line.strip() for line in text.splitlines()[1:]]


def parse_portals(text: str) -> list[str]:
    """Listening addresses as `host:port`, from `portal show`."""
    return [line.removeprefix("Portal: ").rpartition(",")[0] for line in text.splitlines() if line.startswith("Portal")]


def shown_megabytes(size: int) -> int:
    """The number that tgtd shows for a LUN of `size` bytes (`print_disksize` in `usr/target.c`)."""
    sectors = size // 512
    return (sectors - (sectors // 625 - 974)) // 1950


def _lines_of(name: str, line: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """The lines that tell a number and that very name. Finding a name costs a fraction of trying each line."""
    found = text.find(f": {name}")
    while found >= 0:
        match = line.match(text, text.rfind("\n", 0, found) + 1)
        if match is not None and match[2] == name:
            yield match
        found = text.find(f": {name}", found + 1)


def _target(tid: int, name: str, body: str) -> Target:
    start = body.rfind(_LUN_START)
    head, tail = (body, "") if start < 0 else (body[:start], body[start:])
    luns, _, rest = tail.partition("    Account information:\n")
    accounts, _, acl = rest.partition("    ACL information:\n")
    return Target(
        tid=tid,
        name=name,
        ready="\n        State: ready\n" in head[:120],
        nexuses=tuple(_nexuses(head)),
        luns={lun.number: lun for lun in _luns(luns)},
        accounts=tuple(line.strip() for line in accounts.splitlines()),
        acl=tuple(line.strip() for line in acl.splitlines() if line.strip()),
    )


def _nexuses(head: str) -> Iterator[Nexus]:
    """The sessions. An alias can put lines between those of its own session; it cannot take the connection's away."""
    named = list(_NEXUS.finditer(head))
    for found in named:
        yield Nexus(initiator=found[1], address=found[2])
    for _ in range(len(_CONNECTED.findall(head)) - len(named)):
        yield Nexus(initiator="?", address="")


def _luns(text: str) -> Iterator[Lun]:
    for chunk in text.split("        LUN: ")[1:]:
        number, *lines = chunk.splitlines()
        facts = dict(line.strip().partition(": ")[::2] for line in lines)
        size = _SIZE.match(facts.get("Size", ""))
        path = facts.get("Backing store path", "None")
        yield Lun(
            number=int(number),
            scsi_id=facts.get("SCSI ID", ""),
            scsi_sn=facts.get("SCSI SN", ""),
            megabytes=int(size[1]) if size else -1,
            online=facts.get("Online") == "Yes",
            read_only=facts.get("Readonly") == "Yes",
            path=None if path == "None" else path,
        )
