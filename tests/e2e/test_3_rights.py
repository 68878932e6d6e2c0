"""What the release's accounts asked the API server for, against what the chart grants them."""

import pytest
from kubernetes import client

from asked_rights import ACCOUNTS, RARE, UNSEEN, Asked, granted
from fairlead_devstack.node import Node
from installation import Installation


@pytest.fixture(scope="module")
def asked(node: Node, installation: Installation) -> Asked:
    """Everything that was asked until now."""
    found = Asked()
    found.add(node.audit_log, installation.release.namespace)
    return found


def test_no_request_of_the_release_was_refused(asked: Asked) -> None:
    assert not asked.refused


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_account_may_what_it_asks_for_and_nothing_else(
    admin: client.ApiClient, asked: Asked, installation: Installation, account: str
) -> None:
    """What is idle here is so for a reason; the integration tests ask for it."""
    held = granted(admin, account, installation.release.namespace)
    assert asked.used[account] <= held
    assert held - asked.used[account] <= UNSEEN[account].keys() | RARE[account].keys()
