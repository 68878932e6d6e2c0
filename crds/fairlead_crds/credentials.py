"""CHAP credentials, derived instead of stored.

The password of an export is an HMAC of the attachment's handle under the Backend's key, so a crash loses nothing, no
Secret per attachment is needed, and whoever may read the key Secret (operator and facade) can say it again.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

PASSWORD_LENGTH = 16
"""Characters. Initiators commonly refuse CHAP secrets outside 12..16 (RFC 7143, section 12.1.3 asks for at least 96
bits: 16 characters of base64 are exactly that)."""

_CURRENT = "current"
_KEY_PREFIX = "key-"


def key_id(key: bytes) -> str:
    """Name a key without telling anything of use about it."""
    return hashlib.sha256(b"fairlead key id\0" + key).hexdigest()[:12]


def chap_password(key: bytes, handle: str) -> str:
    """Return the CHAP password of the export with that handle."""
    digest = hmac.digest(key, b"fairlead chap\0" + handle.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode()[:PASSWORD_LENGTH]


def chap_username(handle: str) -> str:
    """Return the CHAP account name of the export with that handle."""
    return handle


@dataclass(frozen=True)
class KeyRing:
    """A Backend's keys: the current one for new attachments, older ones for those attached before a rotation."""

    current: str
    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def from_secret(cls, data: Mapping[str, str]) -> "KeyRing":
        """Read the `data` of the key Secret (values base64, as the API server gives them).

        Raises:
            ValueError: there is no current key in it.
        """
        raw = {name: base64.b64decode(value) for name, value in data.items()}
        keys = {name.removeprefix(_KEY_PREFIX): key for name, key in raw.items() if name.startswith(_KEY_PREFIX)}
        current = raw.get(_CURRENT, b"").decode()
        if current not in keys:
            raise ValueError("the key Secret names no current key, or the key it names is missing")
        return cls(current, keys)

    @classmethod
    def new(cls, key: bytes) -> "KeyRing":
        """A ring of one fresh key."""
        return cls(key_id(key), {key_id(key): key})

    def to_secret(self) -> dict[str, str]:
        """The `data` of the key Secret."""
        raw = {_CURRENT: self.current.encode()} | {_KEY_PREFIX + name: key for name, key in self.keys.items()}
        return {name: base64.b64encode(value).decode() for name, value in raw.items()}

    def password(self, handle: str, key: str | None) -> str:
        """CHAP password of an export made under the key named `key` (None: the current one).

        Raises:
            KeyError: that key is no longer in the ring.
        """
        return chap_password(self.keys[key or self.current], handle)
