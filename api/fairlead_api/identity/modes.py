"""Which authenticator a setting means."""

from typing import TYPE_CHECKING

from fairlead_api.cache.mirror import Mirror
from fairlead_api.identity import options
from fairlead_api.identity.authenticator import Authenticator
from fairlead_api.identity.keystone import KeystoneAuth
from fairlead_api.identity.kubernetes import KubernetesAuth
from fairlead_api.identity.noauth import NoAuth
from fairlead_api.identity.projects import Projects
from fairlead_kube.client import KubeClient

if TYPE_CHECKING:
    from fairlead_api.settings import Settings


def authenticator(client: KubeClient, mirror: Mirror, projects: Projects, settings: "Settings") -> Authenticator:
    """Return the authenticator of a mode."""
    match settings.auth_mode:
        case options.KEYSTONE:
            return KeystoneAuth(settings.keystone)
        case options.KUBERNETES:
            return KubernetesAuth(client, mirror, projects, settings.kubernetes, settings.default_project)
        case _:
            return NoAuth(settings.default_project)
