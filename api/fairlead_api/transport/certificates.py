"""TLS with certificates that are renewed while the process runs."""

import logging
import ssl
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)


class Certificates:
    """A server's TLS context that follows its files.

    They are looked at when a client connects, so a renewal is in force for the next connection and costs nothing in
    between. A pair that cannot be used, half written perhaps, changes nothing but the log.
    """

    def __init__(self, certificate: Path, key: Path | None) -> None:
        """Load them.

        Raises:
            OSError: a file cannot be read, or (ssl.SSLError) the two do not belong together.
        """
        self._files = (certificate, key or certificate)
        self._seen = self._look()
        self._current = self._load()
        # Clients are handed over to the current context when they greet.
        self.context = self._current
        self._current.sni_callback = self._greet

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(*self._files)
        return context

    def _look(self) -> tuple[Any, ...]:
        """What tells a file from the one before it, across the symbolic links by which Kubernetes swaps Secrets."""
        stats = [path.stat() for path in self._files]
        return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats)

    def _greet(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        try:
            seen = self._look()
            if seen != self._seen:
                self._current = self._load()
                self._seen = seen
                _log.info("the TLS certificate has changed; the new one is in use")
        except OSError as error:
            _log.error("the TLS certificate cannot be read anew, the old one stays: %s", error.strerror or error)
        connection.context = self._current
