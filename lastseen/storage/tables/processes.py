"""What the store is, and the processes that use it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Text
from sqlmodel import Field

from lastseen.storage.tables.columns import Base, text_column


class Meta(Base, table=True):
    """schema_compat (oldest program allowed), keys_version, slugs_version, key_check, default_offline_after_s;
    `note:` of a process, `node:` what a node goes by, `arrived:` of what came from another program."""

    key: str = Field(sa_column=Column(Text, primary_key=True))
    value: str = text_column()


class Nodes(Base, table=True):
    id: str = Field(sa_column=Column(Text, primary_key=True))
    name: str = text_column()
    version: str = text_column()
    started_at: datetime
    alive_at: datetime


class Leases(Base, table=True):
    """Lanes. A token only grows, and rows stay, or the fence would begin again."""

    name: str = Field(sa_column=Column(Text, primary_key=True))
    owner: str = text_column()
    token: int
    until: datetime
