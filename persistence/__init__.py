"""The persister: carries the log from Redis to Postgres. See README.md."""
