"""``python -m fairlead_devstack.provision``: get every program that the tests and the demo need."""

import subprocess
import sys

from fairlead_devstack.debian import PackagesMissing, ensure_commands
from fairlead_devstack.gobuild import BuildFailed
from fairlead_devstack.keystone_install import install as install_keystone
from fairlead_devstack.lookup import locate_control_plane, locate_helm, locate_kubectl
from fairlead_devstack.progress import say

DATA_PLANE = {
    "tgtd": "tgt",
    "tgtadm": "tgt",
    "iscsi-ls": "libiscsi-bin",
    "qemu-img": "qemu-utils",
    "qemu-io": "qemu-utils",
    # No command: the plug-in by which qemu-io speaks iSCSI.
    "/usr/lib/*/qemu/block-iscsi.so": "qemu-block-extra",
}
"""What the iSCSI driver and its tests run, and the Debian package of each."""

MONITORING = {"prometheus": "prometheus", "promtool": "prometheus"}
"""What the tests of metrics and alerts run."""


def main() -> int:
    """Provide everything; say where each program came from.

    Returns:
        The exit code: 1 when something is missing and could not be provided.
    """
    try:
        ensure_commands({**DATA_PLANE, **MONITORING})
        programs = locate_control_plane()
        for found in (
            programs.etcd,
            programs.kube_apiserver,
            programs.kube_controller_manager,
            locate_kubectl(),
            locate_helm(),
        ):
            say(f"{found.path.name} {found.version} from {found.source}: {found.path}")
        say(f"Keystone for the tests of auth mode keystone: {install_keystone()}")
    except (BuildFailed, PackagesMissing, subprocess.CalledProcessError) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; what was built so far is kept")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
