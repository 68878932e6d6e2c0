"""The mutation list: changes to the code that would break a promise, and the tests that must notice each.

A mutant whose text is not found any more is an error: the code has moved, so move the mutant with it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """Replace `old`, which must stand there once, by `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """A change that must turn one of `tests` (pytest node ids) red."""

    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


_OPERATOR = "operator/fairlead_operator"
_TAKEOVER = "tests/integration/test_takeover.py::"

MUTANTS = (
    Mutant(
        "no resourceVersion on the ledger write",
        (
            Edit(
                f"{_OPERATOR}/writes.py",
                """            {"op": "replace", "path": "/metadata/resourceVersion", "value": meta.resource_version},
""",
                "",
            ),
        ),
        (f"{_TAKEOVER}test_the_ledgers_compare_and_swap_decides_between_two_operators",),
    ),
    Mutant(
        "ledger released before the unexport",
        (
            Edit(
                f"{_OPERATOR}/core/detach.py",
                """    if not facts.done.unexported:
        if facts.unready is not None:
            return phrases.failing(facts, AttachmentPhase.DETACHING, phrases.unready(facts))
        polite""",
                """    if facts.volume is not None and (early := facts.volume.status.attachments):
        return steps.Release(early[0], ledger.without_holder(facts.volume, early[0].uid))
    if not facts.done.unexported:
        if facts.unready is not None:
            return phrases.failing(facts, AttachmentPhase.DETACHING, phrases.unready(facts))
        polite""",
            ),
        ),
        (f"{_TAKEOVER}test_the_ledger_names_the_holder_until_the_node_is_cut_off",),
    ),
    Mutant(
        "finalizer removed before the ledger",
        (
            Edit(
                f"{_OPERATOR}/core/detach.py",
                "        return steps.Release(holder, ledger.without_holder(facts.volume, holder.uid))\n",
                "        return steps.Finalize()\n",
            ),
        ),
        (f"{_TAKEOVER}test_the_ledger_names_the_holder_until_the_node_is_cut_off",),
    ),
    Mutant(
        "no read-back after export",
        (
            Edit(
                f"{_OPERATOR}/attachments.py",
                "            state = state_of(await service.driver.get_export(attachment.handle))\n",
                """            state = ExportState(
                volume_handle=volume.handle, initiator=facts.initiator, access_mode=mode, complete=True
            )
""",
            ),
            Edit(
                f"{_OPERATOR}/attachments.py",
                "from fairlead_operator.core.exports import Wanted",
                "from fairlead_operator.core.exports import ExportState, Wanted",
            ),
        ),
        (f"{_TAKEOVER}test_an_export_is_published_only_after_it_was_read_back",),
    ),
    Mutant(
        "initiator bound before the account",
        (
            Edit(
                f"{_OPERATOR}/drivers/tgt_targets.py",
                """        await self._call(tgt_protocol.initiator_bind(tid, wanted.initiator))
        await faultpoint("tgt.create.after-initiator")
""",
                "",
            ),
            Edit(
                f"{_OPERATOR}/drivers/tgt_targets.py",
                """        await faultpoint("tgt.create.after-lun")
""",
                """        await self._call(tgt_protocol.initiator_bind(tid, wanted.initiator))
        await faultpoint("tgt.create.after-initiator")
        await faultpoint("tgt.create.after-lun")
""",
            ),
        ),
        ("tests/integration/test_iscsi_tgt_driver.py",),
    ),
    Mutant(
        "no fence at takeover",
        (
            Edit(
                f"{_OPERATOR}/worker.py",
                "            await service.driver.fence(service.tenure.epoch)\n",
                '            await service.driver.fence("00000001-always")\n',
            ),
        ),
        (f"{_TAKEOVER}test_a_deposed_operator_that_wakes_up_between_its_check_and_its_effect_does_no_harm",),
    ),
    Mutant(
        "sweep working from a stale store",
        (
            Edit(
                f"{_OPERATOR}/worker.py",
                """                await self._view.relist(self._client)
                break
""",
                "                break\n",
            ),
            Edit(
                f"{_OPERATOR}/worker.py",
                "            live = await self._client.list(ATTACHMENTS, label_selector=selector)\n",
                """            live = await self._client.list(ATTACHMENTS, label_selector=selector + ",nobody=nothing")
""",
            ),
        ),
        (f"{_TAKEOVER}test_a_takeover_leaves_live_exports_alone_although_its_watch_is_late",),
    ),
)
