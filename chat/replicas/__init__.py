"""Several processes of the app on one PostgreSQL, which know of each other through Redis.

The database alone says what a reply is; Redis says who runs it now, and carries its words to the
others as they come. All in Redis expires by itself, and may be lost at any time: while it is gone,
each replica goes on as if it were alone.

    link.py       calls of Redis with a bound, and what holds while it is gone
    leases.py     which replica runs which turn
    wire.py       replies as they go through Redis
    following.py  a turn that runs elsewhere, as its watchers see it
    joining.py    how a process becomes one of them
    replica.py    what a replica tells the others, and hears of them
    taking.py     replies of a replica that is gone go on in another
    breakers.py   circuit breakers that all replicas share
"""
