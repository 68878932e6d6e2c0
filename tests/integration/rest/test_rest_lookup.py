"""What a replica's mirror has not heard of yet is looked up live before a caller is told that it is not there."""

from pathlib import Path

import pytest

from cluster import Cluster, condition
from fairlead_api.cache.lookup import Lookup
from fairlead_api.cache.mirror import Mirror
from fairlead_api.identity.caller import Caller
from fairlead_api.identity.projects import Projects
from fairlead_api.protocol.faults import NotFound
from fairlead_crds.kinds import Attachment
from fairlead_kube.client import KubeClient

NODE = "iqn.2026-11.org.example:node-1"


@pytest.mark.parametrize("admitted", [True, False])
async def test_an_attachment_that_the_mirror_shows_as_waiting_is_read_live(
    cluster: Cluster, kubeconfig: Path, admitted: bool
) -> None:
    """The mirror's watch is late: a 404 would tell whoever deletes the attachment that it is detached."""
    volume = cluster.volume("data")
    if not admitted:
        cluster.attach("holder", "data", NODE)
        cluster.wait_exported("holder")
    cluster.attach("mine", "data", NODE)
    now = cluster.wait("Attachment", "mine", lambda a: condition(a, "Admitted") == str(admitted), "decided")
    # As it was after W0: named and labelled, and not admitted.
    before = now | {"metadata": now["metadata"] | {"resourceVersion": volume["metadata"]["resourceVersion"]}}
    before["status"] = {}

    async with await KubeClient.from_kubeconfig(kubeconfig) as client:
        mirror = Mirror(client)
        mirror.attachments.apply(Attachment.model_validate(before))
        lookup = Lookup(client, mirror, Projects(client, mirror.namespaces, create=False))
        caller = Caller(user="u", project=cluster.namespace, admin=True)
        id_ = now["metadata"]["uid"]
        if admitted:
            assert (await lookup.attachment(caller, id_)).metadata.name == "mine"
        else:
            with pytest.raises(NotFound):
                await lookup.attachment(caller, id_)
