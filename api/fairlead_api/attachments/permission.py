"""The deletion guard at work: asks the operator who is logged in, but only when nothing else can permit a detach."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fairlead_api.attachments.state import Verdict
from fairlead_api.attachments.waiting import wait_for_operator
from fairlead_api.cache.revision import Operation, Writer, annotate
from fairlead_api.identity.caller import Caller
from fairlead_api.identity.detach_guard import Look, check_detach, hinges_on_sessions
from fairlead_crds.kinds import Attachment
from fairlead_crds.names import ANNOTATION_LOOK
from fairlead_kube import errors as kube
from fairlead_kube.store import version_of

_LIMIT: Final = 10.0
"""Seconds that an answer is waited for at most: it takes one call of the driver and one write."""

Check = Callable[[Attachment], None]
"""Given an attachment's newest version, raises Conflict if it may not be detached."""


@dataclass(frozen=True, kw_only=True)
class DetachPermissions:
    """Gives them. `timeout` is the seconds an answer of the operator is waited for, if that is less than ten."""

    writer: Writer[Attachment]
    timeout: float

    async def ask(self, caller: Caller, attachment: Attachment) -> tuple[Attachment, Check | None]:
        """Return the attachment's newest version, and the check that whatever takes its export away must make.

        The check is for each version that a write is decided on, and the write must name that version: between the
        look and the write the attachment may change. None: any version will do, because a service's word is enough,
        or because it is gone.
        """
        if caller.service:
            # So that a status written meanwhile costs it no second try.
            return attachment, None
        if not hinges_on_sessions(caller, attachment):
            return attachment, lambda current: check_detach(caller, current)
        request = str(uuid.uuid4())

        def put(current: Attachment) -> list[Operation]:
            return annotate(current, {ANNOTATION_LOOK: request}) if hinges_on_sessions(caller, current) else []

        try:
            asked = await self.writer.revise(attachment, put)
        except kube.NotFound:
            return attachment, None
        look = Look(request, version_of(asked), min(_LIMIT, self.timeout))

        def judge(item: Attachment | None) -> Verdict | None:
            if item is None or item.metadata.uid != asked.metadata.uid:
                return Verdict.GONE
            known = look.answer(item) is not None or not hinges_on_sessions(caller, item)
            return Verdict.DONE if known else None

        newest, verdict = await wait_for_operator(self.writer.store, asked, judge, look.limit)
        if newest is None or verdict is Verdict.GONE:
            return asked, None
        return newest, lambda current: check_detach(caller, current, look)
