"""Faults: a whole stack under load and injected faults, and the proof that nothing was lost or done twice.

In the order in which a run passes them:

    __main__     `python -m tests.faults` (make faults): a run, from its start to its last line
    plan         which fault when; a pure function of seconds and seed
    run          stack, clients, faults, healing, evidence
    rig          the private stack, each process started alone and each link behind a proxy (tests/support/proxy)
    clients      traders over Session and unary calls, readers of events
    probes       small orders at each ack level, for the times of recovery; orders asked for right after their ack
    nemesis      injects the plan's faults, and heals
    history      what every client did and was told, as JSON lines
    readings     what Redis, Postgres and the engine hold at the end
    replay       a fresh engine that is given the whole log
    evidence     all that as values
    checker      what must hold; pure functions over histories and evidence, with fold, fills and books
    report       the table, the last line

    recovery     `make recovery`: takeovers, a restart with a million commands (bulk), a resume after 100,000 events
    selftest     `make faults-selftest`: defects planted one at a time (defects/), each of which the checker must catch
"""
