"""Recognisable secrets, and where they must not turn up."""

import base64
import re
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Canaries:
    """Secrets by what they are, in every form that they could leak in."""

    forms: dict[str, set[bytes]] = field(default_factory=dict)

    def add(self, what: str, secret: str | bytes) -> None:
        """Watch for a secret, as it is and encoded."""
        raw = secret.encode() if isinstance(secret, str) else secret
        forms = {raw, raw.hex().encode(), base64.b64encode(raw).rstrip(b"="), repr(raw)[2:-1].encode()}
        if isinstance(secret, str):
            forms.add(urllib.parse.quote(secret, safe="").encode())
        self.forms.setdefault(what, set()).update(forms)

    def add_token(self, what: str, token: str) -> None:
        """Watch for a token: of a JWT the signature, since claims alone open nothing and may be logged."""
        self.add(what, token.rpartition(".")[2])

    def found_in(self, text: bytes | str) -> list[str]:
        """Which of them are in a text."""
        content = text.encode() if isinstance(text, str) else text
        return [what for what, forms in self.forms.items() if any(form in content for form in forms)]


_EXECVE = re.compile(r"execve(?:at)?\((?P<arguments>.*)\) = ", re.DOTALL)


def command_lines(trace: Path) -> list[str]:
    """The programs and arguments in an `strace -v` of execve; what follows them, the environment, is left out.

    An environment is for its process and its user's eyes only; a command line is for everybody's on the machine.
    """
    found = []
    for line in trace.read_text(errors="replace").splitlines():
        match = _EXECVE.search(line)
        if match is not None:
            found.append(match["arguments"].split('"], [')[0])
    return found


def tracer(trace: Path) -> tuple[str, ...]:
    """A launcher that records every program that a process and its children execute, whole."""
    # -D: the tracer is the grandchild, so that signals and the tether reach the process itself.
    return ("strace", "-D", "-f", "-qq", "-v", "-s", "1000000", "-e", "trace=execve,execveat", "-o", str(trace))
