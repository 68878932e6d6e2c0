"""The project in the path, and who a caller is without authentication."""

import pytest

from fairlead_api.identity.caller import Caller
from fairlead_api.identity.noauth import identify
from fairlead_api.protocol.envelope import split_project
from fairlead_api.protocol.faults import Forbidden


@pytest.mark.parametrize(
    ("path", "inner", "project"),
    [
        ("/v3/attachments", "/v3/attachments", None),
        ("/v3/volumes/detail", "/v3/volumes/detail", None),
        ("/v3/5f705771559f4f4297c3d3ba6e6dd6ce/attachments", "/v3/attachments", "5f705771559f4f4297c3d3ba6e6dd6ce"),
        ("/v3/team-a/volumes/x/action", "/v3/volumes/x/action", "team-a"),
        ("/v3/attachments/x.json", "/v3/attachments/x", None),
        # Not projects: two labels, capitals, too long, or nothing behind it.
        ("/v3/a.b/volumes", "/v3/a.b/volumes", None),
        ("/v3/Team/volumes", "/v3/Team/volumes", None),
        (f"/v3/{'a' * 64}/volumes", f"/v3/{'a' * 64}/volumes", None),
        ("/v3/team", "/v3/team", None),
        ("/v3/team/", "/v3/team/", None),
        ("/v3/", "/v3/", None),
        ("/v2/team/volumes", "/v2/team/volumes", None),
        ("/", "/", None),
    ],
)
def test_a_first_segment_that_names_no_resource_is_the_project(path: str, inner: str, project: str | None) -> None:
    assert split_project(path) == (inner, project)


@pytest.mark.parametrize(
    ("token", "segment", "user", "project"),
    [
        ("alice:p1", None, "alice", "p1"),
        ("alice", None, "alice", "alice"),
        ("notused", None, "admin", "default"),
        (None, None, "admin", "default"),
        ("", None, "admin", "default"),
        ("alice:", None, "alice", "default"),
        ("alice:p1", "p2", "alice", "p2"),
        ("notused", "p2", "admin", "p2"),
    ],
)
def test_the_url_names_the_project_before_the_token_does(
    token: str | None, segment: str | None, user: str, project: str
) -> None:
    caller = identify(token, segment, "default")
    assert (caller.user, caller.project, caller.admin, caller.service) == (user, project, True, True)


def test_a_member_may_change_its_own_projects_things_only() -> None:
    member = Caller("u", "p")
    member.require("volume:update", "p")
    with pytest.raises(Forbidden, match="Policy doesn't allow volume:update to be performed"):
        member.require("volume:update", "q")


def test_a_reader_may_change_nothing() -> None:
    with pytest.raises(Forbidden):
        Caller("u", "p", member=False).require("volume:update", "p")


def test_an_administrator_may_change_everything() -> None:
    Caller("u", "p", admin=True).require("volume:update", "q")
