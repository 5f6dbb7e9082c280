"""The stack: finds, starts, watches and stops everything that an Ordergate needs on one machine.

In the order in which `ordergate up` uses them:

    up           the command
    assembly     which services a stack has, what each is told, its life
    home         the folder of one stack: lock, sockets, left-over processes
    key          the key that signs tokens
    find         which Redis and PostgreSQL server programs this machine offers
    account      which account may run PostgreSQL (never root)
    process      one child process: start, readiness, log, stop
    redis        a private Redis, durable by configuration
    postgres     a private PostgreSQL cluster
    services     engine, persister and gateway as child processes
    supervisor   starts them in order, restarts what dies, stops them in reverse

Nothing here may import grpc: the supervisor forks, and a process that has initialised grpc must not.
"""
