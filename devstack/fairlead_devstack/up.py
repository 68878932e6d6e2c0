"""``python -m fairlead_devstack.up``: the whole stack in the background, for playing and for clients."""

import argparse
import sys
from pathlib import Path

from fairlead_devstack.api_client import connect
from fairlead_devstack.component import ComponentFailed
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.debian import PackagesMissing, ensure_commands
from fairlead_devstack.gobuild import BuildFailed
from fairlead_devstack.interruption import EXIT_CODE, end_on_signals, ignore_signals
from fairlead_devstack.lookup import locate_control_plane, locate_kubectl
from fairlead_devstack.progress import say
from fairlead_devstack.provision import DATA_PLANE
from fairlead_devstack.run_folder import BACKEND, DEFAULT, NotARunFolder, RunFolder, RunFolderBusy
from fairlead_devstack.stack import Stack, wait_for_backend

PROJECT = "default"
"""A project is a namespace; this one is kubectl's own default, so that both doors show the same without options."""

_TOKEN_LIFETIME = 365 * 24 * 3600
# The audit log is for tests; here it must not fill the disk in a week.
_SMALL_AUDIT_LOG = ("--audit-log-maxsize=20", "--audit-log-maxbackup=1")


def main(arguments: list[str] | None = None) -> int:
    """Start the stack, or say that it runs.

    Args:
        arguments: The command line; this process's if None.

    Returns:
        The exit code.
    """
    folder = RunFolder(_parser().parse_args(arguments).folder)
    end_on_signals()
    try:
        with folder.alone():
            return _up(folder)
    except (RunFolderBusy, NotARunFolder, BuildFailed, PackagesMissing, ComponentFailed, TimeoutError) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; what was started is gone again")
        return EXIT_CODE


def _up(folder: RunFolder) -> int:
    if folder.env.exists():
        missing = folder.missing()
        if missing:
            say(f"the stack in {folder.path} is broken: {', '.join(missing)} not running; `make down` clears it away")
            return 1
        say("the stack is up already")
        _tell_how_to_use(folder)
        return 0
    if folder.path.exists():
        say(f"clearing away what a start that was broken off left in {folder.path}")
        folder.clear()
    ensure_commands(DATA_PLANE)
    programs, kubectl = locate_control_plane(), locate_kubectl()
    try:
        folder.begin()
        control_plane = ControlPlane(
            data_dir=folder.control_plane,
            programs=programs,
            tethered=False,
            extra_apiserver_arguments=_SMALL_AUDIT_LOG,
        )
        say("starting etcd, kube-apiserver and kube-controller-manager")
        control_plane.start()
        url = _start_fairlead(control_plane, folder)
        folder.publish(_environment(control_plane.kubeconfig, url), kubectl=kubectl.path)
    except BaseException:
        ignore_signals()
        folder.clear()
        raise
    say("up")
    _tell_how_to_use(folder)
    return 0


def _start_fairlead(control_plane: ControlPlane, folder: RunFolder) -> str:
    stack = Stack(control_plane, folder.stack, tethered=False, token_lifetime=_TOKEN_LIFETIME)
    say("installing Fairlead's kinds, rights and admission policies")
    stack.install()
    stack.add_backend(BACKEND, default=True)
    say("starting fairlead-operator and fairlead-api")
    stack.start_operator()
    stack.start_facade()
    with connect(control_plane.kubeconfig) as api:
        wait_for_backend(api, BACKEND)
    return stack.facade_url


def _environment(kubeconfig: Path, url: str) -> dict[str, str]:
    endpoint = f"{url}/v3/{PROJECT}"
    return {
        "KUBECONFIG": str(kubeconfig),
        "FAIRLEAD_URL": url,
        "FAIRLEAD_PROJECT": PROJECT,
        # What openstack and openstacksdk read.
        "OS_AUTH_TYPE": "none",
        "OS_ENDPOINT": endpoint,
        "OS_VOLUME_API_VERSION": "3.54",
        # What cinder reads as well, whose command line stumbles over the type `none`: OS_AUTH_TYPE=noauth cinder list
        # As OS_PROJECT_ID the project would make openstacksdk stumble.
        "CINDER_ENDPOINT": endpoint,
        "CINDER_PROJECT_ID": PROJECT,
    }


def _tell_how_to_use(folder: RunFolder) -> None:
    print(f"source {folder.env}\nkubectl get flbe\ncurl $FAIRLEAD_URL/v3/$FAIRLEAD_PROJECT/volumes", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fairlead_devstack.up", description="Start the stack in the background.")
    parser.add_argument("--folder", type=Path, default=DEFAULT, help="where everything of it is kept (default: .run)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
