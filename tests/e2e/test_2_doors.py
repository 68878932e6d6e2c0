"""The facade in other dress: with TLS, and with Keystone to say who calls."""

from pathlib import Path

from kubernetes import client

from accounts import TokenRest
from certificates import name_served, write_certificate
from fairlead_crds import names
from fairlead_devstack import node_network
from fairlead_devstack.keystone import Keystone, User
from fairlead_devstack.scratch import ScratchFolder
from installation import Installation
from iscsi import login
from rest import Rest, access
from waiting import wait_for


def test_the_facade_serves_tls_and_takes_a_renewed_certificate(installation: Installation, tmp_path: Path) -> None:
    def issue(name: str) -> None:
        certificate, key = write_certificate(tmp_path, name)
        pair = {"tls.crt": certificate.read_bytes(), "tls.key": key.read_bytes()}
        installation.set_secret("door", pair, type_="kubernetes.io/tls")

    issue("first")
    installation.release.upgrade({"api": {"tls": {"secretName": "door"}}})
    installation.wait_settled()
    address = installation.facade_address
    assert name_served(*address) == "first"
    # By https.
    assert "Phase:          Succeeded" in installation.release.test()
    pods = {pod.metadata.uid for pod in installation.pods("api")}
    issue("second")
    # A connection goes to one replica or the other.
    wait_for(
        lambda: {name_served(*address) for _ in range(8)} == {"second"},
        what="the new certificate is served",
        timeout=180,
    )
    assert {pod.metadata.uid for pod in installation.pods("api")} == pods
    assert installation.restarts() == {}
    installation.release.rollback()
    installation.wait_settled()


def test_keystone_says_who_calls(admin: client.ApiClient, installation: Installation, namespace: str) -> None:
    with ScratchFolder("keystone") as scratch, Keystone(scratch.path / "run", address=node_network.ADDRESS) as keystone:
        # Else the facade would make one, with a right that it has in this mode only.
        label = {"metadata": {"labels": {names.LABEL_PROJECT: keystone.projects["demo"]}}}
        client.CoreV1Api(admin).patch_namespace(namespace, label)
        installation.set_secret("keystone", {"password": User("fairlead", "", "").password.encode()})
        values = {"mode": "keystone", "keystone": {"url": keystone.url, "passwordSecret": {"name": "keystone"}}}
        installation.release.upgrade({"api": {"auth": values}})
        installation.wait_settled()
        nobody = Rest(installation.facade_url).get("/volumes")
        assert nobody.status == 401
        assert keystone.url in nobody.headers["www-authenticate"]
        alice = TokenRest(installation.facade_url, None, keystone.token("alice", "demo"))
        volume = alice.volume()
        attached = alice.attach(volume)
        assert login(access(attached)).accepted
        alice.detach(attached["id"])
        alice.ok("DELETE", f"/volumes/{volume}", status=202)
        installation.release.rollback()
        installation.wait_settled()
