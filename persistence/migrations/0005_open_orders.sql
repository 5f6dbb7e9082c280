-- Open orders by account, newest first: what a client asks for when it starts. Orders that have ended are not in it, so
-- that it stays as small as the book; which orders an account ever had is told by account_events.
-- Collation "C": compared as bytes. Without the shard: few installations have two, and the entries are smaller.

CREATE INDEX orders_open ON orders (account COLLATE "C", command_ms, command_seq, command_index)
    WHERE status IN (1, 2, 3, 8);
