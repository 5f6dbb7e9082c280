"""The acceptance test of the whole: the tape, then generated flow, through the SDK, reconciled with Postgres."""
