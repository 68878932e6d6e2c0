"""The route class below /v3: it lets a request in, as a caller of the facade, before any endpoint sees it.

By the route and not by FastAPI's dependencies: those are solved one by one for each request, which took longer than
everything that most endpoints do.
"""

from fastapi import Request

from fairlead_api.facade import Facade
from fairlead_api.identity.access import access_of
from fairlead_api.identity.authentication import identity_of
from fairlead_api.identity.authenticator import Asked
from fairlead_api.identity.caller import Caller
from fairlead_api.protocol.faults import Unavailable
from fairlead_api.protocol.route import ApiRoute, Call
from fairlead_api.volumes.view import Viewer


class FacadeRequest(Request):
    """A request that has been let in.

    Attributes:
        call: what is asked.
        caller: who asks, with what it may do here.
        facade: what serves it.
    """

    call: Call
    caller: Caller
    facade: Facade

    @property
    def viewer(self) -> Viewer:
        """For whom this request's volumes are shown."""
        return Viewer(self.call.version, self.caller.admin, self.call.base_url, self.call.project_segment)


class FacadeRoute(ApiRoute):
    """Of endpoints that take a `FacadeRequest`. None below /v3 has another class, so none is open."""

    async def admit(self, request: Request, call: Call) -> FacadeRequest:
        """Let a request in.

        Raises:
            Fault: the facade cannot serve anything yet, or not this to this caller.
        """
        facade: Facade = request.app.state.facade
        if not facade.mirror.synced:
            raise Unavailable("The facade has not read the resources yet. Please try again at a later time.")
        scope, parameters = request.scope, request.path_params
        object_id = parameters.get("attachment_id") or parameters.get("volume_id")
        access = access_of(request.method, scope["route"].path, call.action_name)
        admitted = FacadeRequest(scope, request.receive)
        admitted.call, admitted.facade = call, facade
        admitted.caller = await identity_of(scope).caller(Asked(call.project_segment, access, object_id))
        return admitted
