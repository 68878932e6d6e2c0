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
_SHARDS = "tests/integration/shards/test_shards.py::"
_COSTS = "tests/integration/test_costs.py::"
_CONFORMANCE = "tests/integration/iscsi_tgt/test_iscsi_tgt_conformance.py"

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
        (_CONFORMANCE,),
    ),
    Mutant(
        "a removed target's name is given to another",
        (
            Edit(
                f"{_OPERATOR}/drivers/iscsi_tgt.py",
                """        return f"{self._parameters.iqn_prefix}:{_checked(handle, 'attachment')}"
""",
                """        slots = self.__dict__.setdefault("slots", {})
        free = next(n for n in range(99) if n not in slots.values())
        return f"{self._parameters.iqn_prefix}:slot-{slots.setdefault(handle, free)}"
""",
            ),
            Edit(
                f"{_OPERATOR}/drivers/iscsi_tgt.py",
                """        if await self._targets.number(name) is not None:
            raise""",
                """        del self.__dict__["slots"][handle]
        if await self._targets.number(name) is not None:
            raise""",
            ),
        ),
        (f"{_CONFORMANCE}::TestConformance::test_a_target_s_name_is_never_used_again_for_another",),
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
                """                await self._lister.catch_up()
                break
""",
                "                break\n",
            ),
            Edit(f"{_OPERATOR}/sweep.py", "label_selector=not_of(others)", 'label_selector="nobody=nothing"'),
        ),
        (f"{_TAKEOVER}test_a_takeover_leaves_live_exports_alone_although_its_watch_is_late",),
    ),
    Mutant(
        "what was left alone while the Lease was in doubt is forgotten",
        (Edit(f"{_OPERATOR}/worker.py", "                raise Again(_LEASE_PAUSE) from None\n", ""),),
        (f"{_TAKEOVER}test_what_was_left_alone_while_the_lease_had_run_out_is_done_when_it_is_renewed_after_all",),
    ),
    Mutant(
        "an operator gives up when the API server is away",
        (Edit(f"{_OPERATOR}/handlers.py", "error_backoffs = Pauses()", "error_backoffs = (0.2, 0.5, 1, 2, 3)"),),
        ("tests/integration/test_outage.py",),
    ),
    Mutant(
        "a late mirror denies an attachment",
        (
            Edit(
                "api/fairlead_api/cache/lookup.py",
                "        if found is not None and not is_admitted(found):\n",
                "        if found is not None and not found.id:\n",
            ),
        ),
        ("tests/integration/rest/test_rest_lookup.py",),
    ),
    # What follows is decided by the pure core, so its own tests are enough, and quick.
    Mutant(
        "an instance's attachments are not told from a stranger's",
        (Edit(f"{_OPERATOR}/core/ledger.py", "all(h.instance_id == instance for h in others)", "True"),),
        ("tests/unit/test_core_ledger.py",),
    ),
    Mutant(
        "a newcomer passes those who wait",
        (
            Edit(
                f"{_OPERATOR}/core/ledger.py",
                "        if not waiting or seniority(",
                "        if waiting and seniority(",
            ),
        ),
        ("tests/unit/test_core_ledger.py",),
    ),
    Mutant(
        "a waiter is not pinned to its volume",
        (
            Edit(
                f"{_OPERATOR}/core/attach.py",
                "    if volume is None or (pinned is not None and pinned != volume.metadata.uid):\n",
                "    if volume is None:\n",
            ),
        ),
        ("tests/unit/test_core_admission.py",),
    ),
    Mutant(
        "a new host is let in before the old one is out",
        (
            Edit(
                f"{_OPERATOR}/core/attach.py",
                "facts.export.initiator not in (None, facts.initiator)",
                "False",
            ),
        ),
        ("tests/unit/test_core_attach.py",),
    ),
    Mutant(
        "a reservation expires although it was exported",
        (
            Edit(
                f"{_OPERATOR}/core/attach.py",
                " if ttl is not None and before.attached_at is None else None",
                " if ttl else None",
            ),
        ),
        ("tests/unit/test_core_attach.py",),
    ),
    Mutant(
        "an owner of a live export waits in line after its ledger was lost",
        (
            Edit(
                f"{_OPERATOR}/core/attach.py",
                "    if len(unlisted) > len(going):\n",
                "    if False:\n",
            ),
        ),
        ("tests/unit/test_core_admission.py",),
    ),
    Mutant(
        "an answer about sessions is taken for that of another request",
        (
            Edit(
                "api/fairlead_api/identity/detach_guard.py",
                "return told if told.request in fresh else None",
                "return told",
            ),
        ),
        ("tests/unit/test_look_freshness.py",),
    ),
    Mutant(
        "nobody is logged in right after the export was made again",
        (
            Edit(
                f"{_OPERATOR}/core/sessions.py",
                "    if facts.remade is not None and ",
                "    if facts.remade is None and ",
            ),
        ),
        ("tests/unit/test_core_sessions.py",),
    ),
    Mutant(
        "a polite detach does not wait",
        (
            Edit(
                f"{_OPERATOR}/core/detach.py", "detach_policy is DetachPolicy.WAIT_FOR_LOGOUT", "detach_policy is None"
            ),
        ),
        ("tests/unit/test_core_detach.py",),
    ),
    Mutant(
        "what was never admitted is not unexported when it goes",
        (
            Edit(
                f"{_OPERATOR}/core/detach.py",
                "    if not facts.done.unexported:\n",
                """    holder = ledger.holder_of(facts.volume, attachment.metadata.uid) if facts.volume else None
    if holder and not facts.done.unexported:
""",
            ),
        ),
        ("tests/unit/test_core_detach.py",),
    ),
    Mutant(
        "a node that is gone keeps its volume",
        (Edit(f"{_OPERATOR}/core/attachment.py", "    if facts.node_gone is not None:\n", "    if False:\n"),),
        ("tests/unit/test_core_attach.py",),
    ),
    Mutant(
        "a listing undoes what was done since it began",
        (
            Edit(
                f"{_OPERATOR}/core/exports.py",
                "        if self._changed.get(handle, 0) > mark or state == known:\n",
                "        if state == known:\n",
            ),
        ),
        ("tests/unit/test_core_exports.py",),
    ),
    Mutant(
        "a volume is deleted while it is held",
        (Edit(f"{_OPERATOR}/core/volume.py", "    if volume.status.attachments:\n", "    if False:\n"),),
        ("tests/unit/test_core_volume.py",),
    ),
    Mutant(
        "a late event brings back what is gone",
        (
            Edit(
                "kube/fairlead_kube/store.py",
                "        if item.metadata.uid in self._ended:\n",
                "        if False:\n",
            ),
        ),
        ("tests/unit/test_store.py",),
    ),
    Mutant(
        "a reading that began before the fence is taken for one after it",
        (Edit(f"{_OPERATOR}/rounds.py", "        wanted = self._begun + 1\n", "        wanted = self._begun\n"),),
        ("tests/unit/test_rounds.py",),
    ),
    Mutant(
        "two passes over one key at once",
        (Edit(f"{_OPERATOR}/queue.py", "        if key in self._running:\n", "        if False:\n"),),
        ("tests/unit/test_queue.py",),
    ),
    Mutant(
        "the facade asks now and then instead of being told",
        (
            Edit(
                "api/fairlead_api/attachments/waiting.py",
                "item = await store.wait(meta.name, meta.namespace, lambda item: judge(item) is not None)\n",
                """while judge(item := store.get(meta.name, meta.namespace)) is None:
                    await asyncio.sleep(0.1)
""",
            ),
        ),
        (f"{_COSTS}test_an_attach_through_rest_takes_a_few_times_what_its_writes_take",),
    ),
    Mutant(
        "a list reads its objects anew",
        (
            Edit(
                "api/fairlead_api/attachments/listing.py",
                "        return await self._table.page(query, filters, namespace, marker)\n",
                """        found = await self._table.page(query, filters, namespace, marker)
        return [Attachment.model_validate(item.model_dump(by_alias=True)) for item in found]
""",
            ),
        ),
        (f"{_COSTS}test_a_list_of_many_costs_little_more_than_one",),
    ),
    Mutant(
        "a filter by volume looks at every attachment",
        (
            Edit(
                "api/fairlead_api/lists/page.py",
                "            if (candidates := self.indexed.get(key)) is not None:\n",
                "            if (candidates := None) is not None:\n",
            ),
        ),
        (
            "tests/integration/test_scale.py::test_the_attachments_of_one_volume_cost_what_they_are_and_not_what_there_is",
        ),
    ),
    Mutant(
        "a process for each command to tgtd",
        (
            Edit(
                f"{_OPERATOR}/drivers/tgt_socket.py",
                "    sent = False\n",
                """    sent = False
    await (await asyncio.create_subprocess_exec("true")).wait()
""",
            ),
        ),
        (f"{_COSTS}test_an_attachments_life_starts_no_process",),
    ),
    Mutant(
        "what has no label taken for nobody's",
        (
            Edit(
                f"{_OPERATOR}/sweep.py",
                "label_selector=not_of(others)",
                'label_selector=f"fairlead.dev/backend={self._backend}"',
            ),
        ),
        (f"{_SHARDS}test_a_label_that_is_torn_off_comes_back_and_no_node_notices",),
    ),
    Mutant(
        "what has left the shard kept out of it for good",
        (Edit(f"{_OPERATOR}/runtime.py", "remove(item, version=version_of(item))", "remove(item)"),),
        (f"{_SHARDS}test_a_label_that_is_torn_off_comes_back_and_no_node_notices",),
    ),
    Mutant(
        "the controller hands over what the Backend refuses",
        (Edit(f"{_OPERATOR}/adoption.py", "if why is not None:", "if why is not None and False:"),),
        (f"{_SHARDS}test_two_volumes_that_claim_one_source_are_not_both_given_it",),
    ),
    Mutant(
        "a Backend that its operator still serves denied by the controller",
        (Edit(f"{_OPERATOR}/unplaced.py", 'if is_held(lease["spec"], datetime.now(UTC)):', "if not lease:"),),
        (f"{_SHARDS}test_a_backend_torn_out_of_the_api_server_is_served_on_and_the_controller_does_not_deny_it",),
    ),
    Mutant(
        "a facade refuses by what it remembers",
        (Edit("api/fairlead_api/volumes/operations.py", "await self.mirror.catch_up(volume)", "volume"),),
        (
            "tests/integration/rest/test_rest_replicas.py::test_no_call_is_refused_for_what_the_other_replica_has_not_heard",
        ),
    ),
)
