"""The API server's audit log, read as evidence of who asked for what."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
# One line per request, when it is finished. Watches are therefore logged when they end.
omitStages: [RequestReceived, ResponseStarted]
rules:
# Whatever Fairlead asks for, so that rights can be compared with it.
- level: Metadata
  userGroups: ["system:serviceaccounts:fairlead-system"]
- level: Metadata
  resources:
  - group: fairlead.dev
  - group: ""
    resources: [secrets, events, namespaces]
  - group: events.k8s.io
    resources: [events]
  - group: coordination.k8s.io
    resources: [leases]
  - group: authentication.k8s.io
  - group: authorization.k8s.io
- level: None
"""
"""What is logged. No bodies: secrets would be in them."""

_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True)
class AuditEntry:
    """One finished request.

    Attributes:
        verb: Kubernetes' verb, such as ``create`` or ``watch``.
        resource: The plural, such as ``attachments``.
        subresource: Such as ``status``; empty if none.
        namespace: Empty for cluster-scoped resources.
        name: Empty for collections and refused creates.
        user: Who asked, such as ``system:serviceaccount:default:fairlead``.
        code: The HTTP status of the answer.
        forbidden: Whether the user's rights did not allow it. An admission policy's refusal has the same status.
    """

    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    user: str
    code: int
    forbidden: bool = False

    @property
    def writes(self) -> bool:
        """Whether the verb can change something; whether it did is in the code."""
        return self.verb in _WRITES


class AuditLog:
    """A reader of the audit log.

    The API server writes a request's line before it ends the answer. So whoever has read an answer to the end finds
    its line here, without waiting.
    """

    def __init__(self, path: Path) -> None:
        """Read from a file that may not exist yet.

        Args:
            path: The API server's ``--audit-log-path``.
        """
        self.path = path

    def mark(self) -> int:
        """Remember this moment.

        Returns:
            A position for ``since``.
        """
        return self.path.stat().st_size if self.path.exists() else 0

    def since(self, mark: int) -> list[AuditEntry]:
        """List the requests that were finished after a moment.

        Args:
            mark: What ``mark`` returned at that moment.

        Returns:
            The requests in the order in which they were finished.
        """
        return list(self._read(mark))

    def of(self, prefix: str) -> Iterator[AuditEntry]:
        """Tell the requests of some users, from the beginning on; what others asked for is not even decoded.

        Args:
            prefix: How their names begin.

        Yields:
            Their requests in the order in which they were finished.
        """
        return (entry for entry in self._read(0, prefix.encode()) if entry.user.startswith(prefix))

    def _read(self, mark: int, about: bytes = b"") -> Iterator[AuditEntry]:
        if not self.path.exists():
            return
        with self.path.open("rb") as log:
            log.seek(mark)
            for line in log:
                if not line.endswith(b"\n"):
                    # The server is writing it: that request is not finished.
                    return
                if about not in line:
                    continue
                event = json.loads(line)
                target = event.get("objectRef", {})
                yield AuditEntry(
                    verb=event["verb"],
                    resource=target.get("resource", ""),
                    subresource=target.get("subresource", ""),
                    namespace=target.get("namespace", ""),
                    name=target.get("name", ""),
                    user=event["user"].get("username", ""),
                    code=event.get("responseStatus", {}).get("code", 0),
                    forbidden=event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid",
                )
