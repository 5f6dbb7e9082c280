"""Faults: a whole stack under load and injected faults, and the proof that nothing was lost or done twice.

In the order in which a run passes them:

    __main__     `python -m tests.faults`: a run, from its start to its last line
    plan         which fault when; a pure function of seconds and seed
    rig          the private stack, each process started alone and each link behind a proxy (tests/support/proxy)
    clients      traders over Session and unary calls, readers of events, probes of recovery
    nemesis      injects the plan's faults, and heals
    history      what every client did and was told, as JSON lines
    readings     what Redis, Postgres and the engines hold at the end; a fresh replay of the whole log
    evidence     all that as values
    checker      what must hold; pure functions over histories and evidence (orders, streams, fills, books)
    report       progress, the table, the last line

    recovery     recovery times: takeovers, restart with a million commands, resume after 100,000 events
    selftest     defects switched on one at a time, each of which the checker must catch (defects/)
"""
