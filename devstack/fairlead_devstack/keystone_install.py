"""Getting a Keystone: a virtual environment of its own, and a database to begin with.

The environment is installed once, by hash, below the user's cache folder. A Keystone that has been set up once is kept
there too, as a template, because making its database takes longer than everything else.
"""

import os
import shutil
import subprocess
from pathlib import Path

from fairlead_devstack.locked_environment import LockedEnvironment
from fairlead_devstack.progress import say

REQUIREMENTS = Path(__file__).parents[1] / "keystone-requirements.txt"
_ENVIRONMENT = LockedEnvironment("Keystone", REQUIREMENTS)

_CONFIGURATION = """\
[database]
connection = sqlite:///{folder}/keystone.db
[token]
provider = fernet
expiration = {seconds}
[fernet_tokens]
key_repository = {folder}/fernet
[credential]
key_repository = {folder}/credential
[cache]
enabled = false
[identity]
# Passwords here are for show; hashing them well would only cost time.
password_hash_rounds = 4
"""


def configuration(folder: Path, *, token_seconds: int = 3600) -> str:
    """The text of `keystone.conf`.

    Args:
        folder: where database and keys are.
        token_seconds: how long tokens live.
    """
    return _CONFIGURATION.format(folder=folder, seconds=token_seconds)


def install() -> Path:
    """Return the Python with Keystone in it, installing that when need be."""
    return _ENVIRONMENT.install()


def template(python: Path, bootstrap_password: str) -> Path:
    """Return a folder with a database and keys as `keystone-manage` makes them.

    Args:
        python: what `install` returned.
        bootstrap_password: of the user `admin`.
    """
    made = _ENVIRONMENT.home / "template"
    with _ENVIRONMENT.alone():
        if not made.exists():
            say("setting up Keystone's database (once)")
            stage = _ENVIRONMENT.home / "template.new"
            shutil.rmtree(stage, ignore_errors=True)
            stage.mkdir(mode=0o700)
            (stage / "keystone.conf").write_text(configuration(stage))
            url = "http://127.0.0.1:5000/v3/"
            me = [f"--keystone-user={os.getuid()}", f"--keystone-group={os.getgid()}"]
            addresses = [f"--bootstrap-{which}-url={url}" for which in ("admin", "internal", "public")]
            for arguments in (
                ["db_sync"],
                ["fernet_setup", *me],
                ["credential_setup", *me],
                ["bootstrap", "--bootstrap-region-id=RegionOne", *addresses],
            ):
                manage = [str(python), "-W", "ignore", str(python.with_name("keystone-manage"))]
                done = subprocess.run(
                    [*manage, "--config-file", str(stage / "keystone.conf"), *arguments],
                    check=False,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    env={**os.environ, "OS_BOOTSTRAP_PASSWORD": bootstrap_password},
                )
                if done.returncode != 0:
                    raise RuntimeError(f"keystone-manage {arguments[0]} failed: {done.stdout[-1000:]}")
            stage.rename(made)
    return made
