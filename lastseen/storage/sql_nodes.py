"""The processes that work on this database."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select

from lastseen.errors import Conflict
from lastseen.model import Node
from lastseen.storage import dialect as sql
from lastseen.storage.rows import leases, listeners, meta, nodes, sources
from lastseen.storage.sqltools import drop_meta, dumped, loaded, meta_value, set_meta
from lastseen.words import say_many

FORGOTTEN_AFTER = timedelta(days=7)
"""A node that was not alive for so long is no longer listed."""

SETTINGS = "node:"
"""How the keys of `meta` begin under which nodes say what they go by. Beside their rows: a node of an older version
knows nothing of it, and neither does its schema."""

STILL_THERE = timedelta(seconds=30)
"""A node that gave a sign so short ago is taken for running."""


def alive(connection: Connection, node: Node, now: datetime) -> None:
    """`Nodes.alive`."""
    row = {"name": node.name, "version": node.version, "started_at": node.started_at, "alive_at": now}
    put = sql.insert(nodes).values(id=node.id, **row)
    connection.execute(put.on_conflict_do_update(index_elements=["id"], set_=row))
    said = dumped(node.settings)
    if meta_value(connection, f"{SETTINGS}{node.id}") != said:
        set_meta(connection, f"{SETTINGS}{node.id}", said)
    if connection.execute(delete(nodes).where(nodes.c.alive_at < now - FORGOTTEN_AFTER)).rowcount:
        forget_settings(connection)


def gone(connection: Connection, node: str) -> None:
    """`Nodes.gone`."""
    connection.execute(delete(nodes).where(nodes.c.id == node))
    drop_meta(connection, f"{SETTINGS}{node}")


def forget_settings(connection: Connection) -> None:
    """Of nodes that are not listed."""
    there = nodes.c.id == func.substr(meta.c.key, len(SETTINGS) + 1)
    connection.execute(delete(meta).where(meta.c.key.startswith(SETTINGS), ~select(nodes.c.id).where(there).exists()))


def refuse_served(connection: Connection, name: str, now: datetime) -> None:
    """Raises Conflict while nodes are at work on a server's database. By the clock that they go by: that of whoever
    asks may be wrong. Whatever else an older schema has of them."""
    if connection.dialect.name == "sqlite":
        return
    since = (sql.of(connection).time(connection) or now) - STILL_THERE
    alive = select(nodes.c.name).where(nodes.c.alive_at > since).order_by(nodes.c.started_at, nodes.c.id)
    there = list(connection.execute(alive).scalars())
    if there:
        raise Conflict(
            say_many(
                "{name} is in use by 1 node ({nodes}): stop it first",
                "{name} is in use by {n} nodes ({nodes}): stop them first",
                len(there),
                name=name,
                nodes=", ".join(there),
            )
        )


def listed(connection: Connection, now: datetime) -> list[Node]:
    """`Nodes.nodes`."""
    lanes: dict[str, list[str]] = defaultdict(list)
    for row in connection.execute(select(leases.c.owner, leases.c.name).where(leases.c.until > now)):
        lanes[row.owner].append(row.name)
    heard: dict[str, list[str]] = defaultdict(list)
    listening = select(listeners.c.node_id, sources.c.name).join(sources, sources.c.id == listeners.c.source_id)
    for row in connection.execute(listening.where(listeners.c.left_at.is_(None)).order_by(sources.c.id)):
        heard[row.node_id].append(row.name)
    said = select(meta.c.key, meta.c.value).where(meta.c.key.startswith(SETTINGS))
    settings = {row.key.removeprefix(SETTINGS): loaded(row.value) for row in connection.execute(said)}
    return [
        Node(
            *(row.id, row.name, row.version, row.started_at, row.alive_at),
            settings=settings.get(row.id, {}),
            lanes=tuple(sorted(lanes[row.id])),
            sources=tuple(heard[row.id]),
        )
        for row in connection.execute(select(nodes).order_by(nodes.c.started_at, nodes.c.id))
    ]
