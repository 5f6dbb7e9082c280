-- The archive of events as clients get them: what a client that resumes still has to see when Redis no longer holds it.
-- One row per account and event frame. "The events of an account after n" are the rows with last_seq > n in the order of
-- last_seq; of the first of them, those up to n are to be skipped. An account's sequence is dense per shard, so a gap
-- between the rows of an account is a fault of the archive, and none is a proof.

CREATE TABLE account_events (
    shard     smallint NOT NULL,
    account   text COLLATE "C" NOT NULL,
    first_seq bigint NOT NULL,
    last_seq  bigint NOT NULL,
    ms        bigint NOT NULL,
    seq       bigint NOT NULL,
    events    bytea NOT NULL,
    PRIMARY KEY (shard, account, last_seq)
);

COMMENT ON COLUMN account_events.account IS 'Collation "C": compared as bytes, which costs the index a fraction of a locale''s rules';
COMMENT ON COLUMN account_events.first_seq IS 'Sequence of the first event in `events`';
COMMENT ON COLUMN account_events.last_seq IS 'Sequence of the last one';
COMMENT ON COLUMN account_events.ms IS 'Id of the event frame, with seq';
COMMENT ON COLUMN account_events.events IS
    'EventFrame.account_events.events: field 2 of SessionResponse and FollowResponse, as on the wire, last_seq - first_seq + 1 times';
