"""The reconcile core: what is, in; the next step, out. Pure: no I/O, no clock, no randomness.

`attachment` and `volume` decide, `ledger` holds the safety rule, `status` phrases what is seen, `steps` names what can
be done, `exports` compares what is exported with what should be, `placement` finds the Backend in charge.
"""
