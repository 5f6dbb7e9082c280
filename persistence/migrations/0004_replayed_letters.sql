-- A dead letter that was replayed stays, with the time: nothing that was once put aside vanishes.

ALTER TABLE dead_letters ADD COLUMN replayed_at timestamptz;

COMMENT ON COLUMN dead_letters.replayed_at IS 'When its rows were written after all (python -m persistence dead-letters); NULL: open';
