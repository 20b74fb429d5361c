"""Counting what is in the database. Each is one statement, and so sees one moment of it; nobody waits for it."""

from __future__ import annotations

from gateway.store.base import Count, State
from gateway.store.ledger import Account, Volume
from gateway.store.postgres_control import PARKED
from gateway.store.postgres_link import Connection

_STATES = ("state = 0", "state IN (1, 3)", "state = 2", "state = 5")
"""As the partial indexes have them: they hold what is counted, and nothing else."""
_COUNTS = " UNION ALL ".join(
    f"SELECT destination, state, count(*) AS n, min(event) AS oldest FROM deliveries WHERE {states} GROUP BY 1, 2"  # noqa: S608
    for states in _STATES
)
_COUNT = f"""
SELECT t.tenant, t.name, c.state, sum(c.n)::bigint, min(r.received_ms)
FROM ({_COUNTS}) AS c JOIN destinations t ON t.id = c.destination
LEFT JOIN events e ON e.seq = c.oldest LEFT JOIN receipts r ON r.seq = e.receipt
GROUP BY 1, 2, 3
"""  # noqa: S608

_ACCOUNTS = """
WITH tallied AS (
    SELECT t.tenant, t.name, sum(matched) AS matched, sum(delivered) AS delivered, sum(dead) AS dead,
           sum(suppressed) AS suppressed, sum(expired) AS expired
    FROM tallies JOIN destinations t ON t.id = tallies.destination GROUP BY 1, 2
), retained AS (
    SELECT t.tenant, t.name, sum(n) FILTER (WHERE state < 4) AS pending, sum(n) FILTER (WHERE state = 4) AS delivered,
           sum(n) FILTER (WHERE state = 5) AS dead, sum(n) FILTER (WHERE state = 6) AS suppressed,
           sum(n) FILTER (WHERE state = 7) AS expired
    FROM ({retained}) AS c JOIN destinations t ON t.id = c.destination GROUP BY 1, 2
), parked AS (
    SELECT b.tenant, b.name, true AS parked FROM destinations b WHERE b.run = 0 AND {parked}
)
SELECT tenant, name, coalesce(y.matched, 0)::bigint, (coalesce(y.delivered, 0) + coalesce(r.delivered, 0))::bigint,
       (CASE WHEN parked THEN 0 ELSE coalesce(r.pending, 0) END)::bigint,
       (CASE WHEN parked THEN coalesce(r.pending, 0) ELSE 0 END)::bigint,
       (coalesce(y.dead, 0) + coalesce(r.dead, 0))::bigint,
       (coalesce(y.suppressed, 0) + coalesce(r.suppressed, 0))::bigint,
       (coalesce(y.expired, 0) + coalesce(r.expired, 0))::bigint
FROM tallied y FULL JOIN retained r USING (tenant, name) LEFT JOIN parked USING (tenant, name) ORDER BY tenant, name
"""
_BY_STATE = "SELECT destination, state, count(*) AS n FROM deliveries WHERE {states} GROUP BY 1, 2"
_EVERY_ROW = _ACCOUNTS.format(retained=_BY_STATE.format(states="true"), parked=PARKED)
_ALL_BUT_DELIVERED = _ACCOUNTS.format(
    retained=" UNION ALL ".join(_BY_STATE.format(states=states) for states in (*_STATES, "state IN (6, 7)")),
    parked=PARKED,
)

_ROW_BYTES = {"receipts": 160, "events": 230, "deliveries": 240, "attempts": 120, "ranks": 90}
"""What a row takes beside the bytes that `volumes` counts, its part of the indexes included; measured."""
_USED = f"""
SELECT least(sum(pg_total_relation_size(c.oid)), (SELECT coalesce(sum(bytes), 0) FROM volumes)
    + sum(greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0) * CASE c.relname
        {" ".join(f"WHEN '{table}' THEN {size}" for table, size in _ROW_BYTES.items())} END))::bigint
FROM pg_class c
WHERE c.relkind = 'r' AND c.oid IN ({", ".join(f"'{table}'::regclass" for table in _ROW_BYTES)})
"""  # noqa: S608
"""PostgreSQL keeps the space of what was deleted, for what comes; how much that is it does not tell."""
_VOLUMES = """
SELECT s.tenant, sum(v.bytes)::bigint FROM volumes v JOIN sources s ON s.id = v.source GROUP BY s.tenant
"""


async def counts(connection: Connection) -> list[Count]:
    return [
        Count(tenant, name, State(state), deliveries, oldest)
        for tenant, name, state, deliveries, oldest in await connection.fetch(_COUNT)
    ]


async def accounts(connection: Connection) -> list[Account]:
    return [Account(*row) for row in await connection.fetch(_EVERY_ROW)]


async def quick_accounts(connection: Connection) -> list[Account]:
    """What was delivered is what remains when all else is counted."""
    quick = [Account(*row) for row in await connection.fetch(_ALL_BUT_DELIVERED)]
    return [one._replace(delivered=one.delivered + one.missing) for one in quick]


async def volume(connection: Connection) -> Volume:
    used = await connection.fetchval(_USED)
    return Volume(int(used), dict(await connection.fetch(_VOLUMES)))
