"""Asking the API server who somebody is (TokenReview) and what they may do (SubjectAccessReview)."""

import base64
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fairlead_api.identity.token_cache import Kept, TokenCache, fingerprint
from fairlead_api.protocol.faults import Unavailable
from fairlead_crds import names
from fairlead_kube.client import KubeClient
from fairlead_kube.errors import Forbidden, KubeError

_IDENTITY_REVIEWS: Final = "/apis/authentication.k8s.io/v1/tokenreviews"
_ACCESS_REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_TOKENS_KEPT: Final = 4096
_DECISIONS_KEPT: Final = 16384

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class KubernetesOptions:
    """How the API server is asked.

    Attributes:
        audiences: tokens must be for one of these; none: for the API server itself.
        cache_seconds: how long an answer is kept. A revoked token or a removed right works that much longer.
    """

    audiences: tuple[str, ...] = ()
    cache_seconds: float = 10.0


@dataclass(frozen=True)
class Subject:
    """A user as the API server knows it."""

    user: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)
    key: bytes = b""

    @classmethod
    def parse(cls, user: Mapping[str, Any]) -> "Subject":
        """Read the user of a TokenReview's status."""
        name, uid = str(user["username"]), str(user.get("uid", ""))
        groups = tuple(user.get("groups") or ())
        extra = {key: tuple(values) for key, values in (user.get("extra") or {}).items()}
        # An authorizer may look at all of it, so a decision is for exactly this combination.
        key = fingerprint(name, uid, *groups, json.dumps(extra, sort_keys=True))
        return cls(name, uid, groups, extra, key)

    @property
    def service_account_namespace(self) -> str | None:
        """The namespace of a ServiceAccount; None for other users."""
        parts = self.user.split(":")
        return parts[2] if parts[:2] == ["system", "serviceaccount"] and len(parts) == 4 else None


@dataclass(frozen=True, slots=True)
class Right:
    """One thing that RBAC may grant, on kinds of our group.

    Attributes:
        verb: such as `create`.
        resource: such as `attachments`.
        namespace: where; empty: in the whole cluster.
        subresource: such as `connection`.
        name: of one object; empty: of any.
    """

    verb: str
    resource: str
    namespace: str
    subresource: str = ""
    name: str = ""


class Reviews:
    """Asks, and keeps the answers for a short time."""

    def __init__(self, client: KubeClient, options: KubernetesOptions) -> None:
        self._client = client
        self._audiences = options.audiences
        self._seconds = options.cache_seconds
        self._subjects: TokenCache[Subject | None] = TokenCache(_TOKENS_KEPT)
        self._decisions: TokenCache[bool] = TokenCache(_DECISIONS_KEPT)

    async def subject(self, token: str) -> Subject | None:
        """Return whose a token is; None: nobody's, or it is for another audience.

        Raises:
            Unavailable: the API server cannot be asked.
        """

        async def look() -> Kept[Subject | None]:
            spec: dict[str, Any] = {"token": token}
            if self._audiences:
                spec["audiences"] = list(self._audiences)
            review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
            status = await self._create(_IDENTITY_REVIEWS, review)
            return Kept(self._subject_of(status), min(self._seconds, _left(token)))

        return await self._subjects.get(fingerprint(token), look)

    def _subject_of(self, status: Mapping[str, Any]) -> Subject | None:
        if not status.get("authenticated"):
            return None
        # An authenticator that knows no audiences says none: then the token is the API server's own.
        if self._audiences and not set(self._audiences) & set(status.get("audiences") or ()):
            return None
        return Subject.parse(status["user"])

    async def allowed(self, subject: Subject, right: Right) -> bool:
        """Whether somebody has a right.

        Raises:
            Unavailable: the API server cannot be asked.
        """

        async def look() -> Kept[bool]:
            attributes = {
                "group": names.GROUP,
                "verb": right.verb,
                "resource": right.resource,
                "namespace": right.namespace,
                "subresource": right.subresource,
                "name": right.name,
            }
            spec = {
                "user": subject.user,
                "uid": subject.uid,
                "groups": list(subject.groups),
                "extra": {key: list(values) for key, values in subject.extra.items()},
                "resourceAttributes": {key: value for key, value in attributes.items() if value},
            }
            review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
            status = await self._create(_ACCESS_REVIEWS, review)
            return Kept(bool(status.get("allowed")) and not status.get("denied"), self._seconds)

        return await self._decisions.get((subject.key, right), look)

    async def _create(self, path: str, review: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = await self._client.request("POST", path, body=review)
        except Forbidden:
            # Said without the API server's words: they may repeat what was sent.
            _log.error("the facade's ServiceAccount may not create %s; see docs/operations/auth.md", path)
            raise Unavailable() from None
        except KubeError as error:
            _log.warning("%s: %s", path, error.reason or error.code)
            raise Unavailable() from None
        return answer.get("status") or {}


def _left(token: str) -> float:
    """Seconds until a token ends by its own account, when it is a JWT. Unverified: it can only shorten what is kept."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return max(0.0, float(claims["exp"]) - time.time())
    except (IndexError, ValueError, KeyError, TypeError, RecursionError):
        return float("inf")
