"""The API server's static users: kube-apiserver's ``--token-auth-file``."""

import csv
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class _User:
    token: str
    groups: tuple[str, ...]


class TokenFile:
    """Users with a token each, kept in a file of lines ``token,user,uid,"group,group"``."""

    def __init__(self) -> None:
        self._users: dict[str, _User] = {}

    def add(self, name: str, groups: Sequence[str]) -> str:
        """Add a user with a fresh token.

        Args:
            name: The user's name.
            groups: The user's groups.

        Returns:
            The token.
        """
        self._users[name] = _User(secrets.token_hex(24), tuple(groups))
        return self._users[name].token

    def token_of(self, name: str) -> str:
        """Look up a user's token.

        Args:
            name: The user's name.

        Returns:
            The token.

        Raises:
            KeyError: There is no such user.
        """
        return self._users[name].token

    def write(self, path: Path) -> None:
        """Write the file, readable by its owner only.

        Args:
            path: The file; former contents are replaced.
        """
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            for name, user in self._users.items():
                # kube-apiserver wants a uid; the name is as unique.
                writer.writerow([user.token, name, name, ",".join(user.groups)])
