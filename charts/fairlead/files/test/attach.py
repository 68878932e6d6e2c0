"""What `helm test` runs: one volume attached and detached by REST, against the installed release.

Standard library only. It takes the facade's address and a project, shows the pod's own token, which auth modes other
than `kubernetes` ignore, and leaves nothing behind. With mode `keystone` it only finds out that it is refused.
"""

import json
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

MICROVERSION = "volume 3.54"
LIMIT = 120.0
TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
INITIATOR = "iqn.2026-11.dev.fairlead.test:helm"

# The Service is reached by its address, which no certificate names.
UNVERIFIED = ssl._create_unverified_context()


class Failed(Exception):
    """The release does not do what it should."""


class Project:
    """One project of the API."""

    def __init__(self, base, project):
        self._base = f"{base}/v3/{project}"

    def ask(self, method, path, body=None, expect=(200, 202, 204)):
        data = None if body is None else json.dumps(body).encode()
        headers = {
            "OpenStack-API-Version": MICROVERSION,
            "Content-Type": "application/json",
            "X-Auth-Token": TOKEN.read_text(),
        }
        request = urllib.request.Request(self._base + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60, context=UNVERIFIED) as answer:
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            status, content = refusal.code, refusal.read()
        if status not in expect:
            raise Failed(f"{method} {path} was answered {status}: {content.decode(errors='replace')[:500]}")
        return json.loads(content) if content else None

    def wait(self, path, reached):
        deadline = time.monotonic() + LIMIT
        while True:
            answer = self.ask("GET", path, expect=(200, 404))
            if reached(answer):
                return answer
            if time.monotonic() > deadline:
                raise Failed(f"{path} did not get there within {LIMIT:.0f} s; now: {answer}")
            time.sleep(0.3)


def main(base, project_name, auth_mode):
    project = Project(base, project_name)
    if auth_mode == "keystone":
        project.ask("GET", "/volumes", expect=(401,))
        print("the API answers, and asks for a token of Keystone's")
        return
    created = project.ask("POST", "/volumes", {"volume": {"size": 1, "name": "helm-test"}})
    volume = f"/volumes/{created['volume']['id']}"
    try:
        project.wait(volume, lambda answer: answer.get("volume", {}).get("status") == "available")
        print("volume is available")
        attach(project, created["volume"]["id"])
    finally:
        project.ask("DELETE", volume)
    project.wait(volume, lambda answer: "itemNotFound" in answer)
    print("volume is gone")


def attach(project, volume_id):
    reserved = project.ask("POST", "/attachments", {"attachment": {"volume_uuid": volume_id, "mode": "rw"}})
    attachment = f"/attachments/{reserved['attachment']['id']}"
    try:
        connector = {"initiator": INITIATOR, "host": "helm-test", "ip": "192.0.2.1", "multipath": False}
        connected = project.ask("PUT", attachment, {"attachment": {"connector": connector}})
        info = connected["attachment"]["connection_info"]
        portal = info["target_portal"] if "target_portal" in info else info["data"]["target_portal"]
        host, _, port = portal.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), timeout=10):
            print(f"volume is exported, and its portal {portal} accepts connections")
        project.ask("POST", f"{attachment}/action", {"os-complete": {}})
        print("attachment is complete")
    finally:
        project.ask("DELETE", attachment)
    print("attachment is gone")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (Failed, OSError) as error:
        sys.exit(f"failed: {error}")
