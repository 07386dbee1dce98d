"""The tables: each column stands here, and what makes and changes databases is made of this.

SQLModel costs more than all the rest at start: only what migrates and what speaks to PostgreSQL
imports this. SQLite's new files are made of `schema.sql`, which is written from it
(`uv run python -m tests.proxy.store.schema`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, DateTime, Index, MetaData, Text, false
from sqlmodel import Field, SQLModel

from adapters import REGISTRY
from proxy.store.kept.answers import MAX_KEY
from proxy.store.kept.preferences import DEFAULT
from proxy.store.kept.responses import MAX_NAME, MAX_OWNER
from proxy.store.kept.signatures import MAX_CALL_ID
from proxy.store.keys.team_keys import MAX_NAME as MAX_KEY_NAME

_Moment: Any = DateTime(timezone=True)


class PreferenceRow(SQLModel, table=True):
    """The user's choice (`default`), and one row more for each app that has its own."""

    __tablename__ = "user_preferences"

    id: str = Field(
        default=DEFAULT,
        primary_key=True,
        max_length=128,
        sa_column_kwargs={"server_default": DEFAULT},
    )
    default_llm_provider: str | None = Field(
        default=None, max_length=64, sa_column_kwargs={"server_default": next(iter(REGISTRY))}
    )
    models: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    aliases: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    fallback: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    rate_preset: str | None = Field(default=None, max_length=16)
    created_at: datetime = Field(sa_type=_Moment)
    updated_at: datetime = Field(sa_type=_Moment)
    local_only: bool | None = None
    split: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class SignatureRow(SQLModel, table=True):
    """A thought signature by the tool-call id that clients see."""

    __tablename__ = "signatures"

    call_id: str = Field(primary_key=True, max_length=MAX_CALL_ID)
    value: str = Field(sa_type=Text)
    created_at: datetime = Field(sa_type=_Moment, index=True)


class CooldownRow(SQLModel, table=True):
    """A provider's model that is out until a moment of the wall clock: a day's quota is used up."""

    __tablename__ = "cooldowns"

    provider: str = Field(primary_key=True, max_length=64)
    model: str = Field(primary_key=True, max_length=128)
    until: datetime = Field(sa_type=_Moment)
    reason: str = Field(sa_type=Text)


class RequestRow(SQLModel, table=True):
    """One request that has ended, as `proxy.store.usage.rows.UsageRow.columns` gives it."""

    __tablename__ = "requests"

    id: int | None = Field(default=None, primary_key=True)
    request_id: str = Field(max_length=128)
    at_ms: int = Field(sa_type=BigInteger, index=True)
    app: str | None = Field(max_length=128)
    asked: str = Field(max_length=128)
    provider: str | None = Field(max_length=64)
    model: str | None = Field(max_length=128)
    first_choice: str | None = Field(max_length=64)
    stream: bool
    status: int
    error: str | None = Field(max_length=128)
    finish: str | None = Field(max_length=32)
    prompt: int
    completion: int
    reasoning: int | None
    cached: int | None
    estimated: bool
    first_s: float | None
    total_s: float
    waited_s: float
    bytes_in: int = Field(sa_type=BigInteger)
    bytes_out: int = Field(sa_type=BigInteger)
    attempts: int
    rotated: bool
    cancelled: bool
    partial: bool
    story: str = Field(sa_type=Text)
    list_nano_usd: int | None = Field(sa_type=BigInteger)
    billed: bool = Field(sa_column_kwargs={"server_default": false()})
    arm: str | None = Field(default=None, max_length=64)
    loading_s: float | None = None


class UsageSumRow(SQLModel, table=True):
    """The requests of half an hour by one of their columns, added up by `proxy.store.usage.sums`.

    Without a name ('') are those that have none in that column.
    """

    __tablename__ = "usage_sums"

    kind: str = Field(primary_key=True, max_length=16)
    begin_ms: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    name: str = Field(primary_key=True, max_length=128)
    requests: int = Field(sa_type=BigInteger)
    errors: int = Field(sa_type=BigInteger)
    cancelled: int = Field(sa_type=BigInteger)
    rotated: int = Field(sa_type=BigInteger)
    prompt: int = Field(sa_type=BigInteger)
    completion: int = Field(sa_type=BigInteger)
    estimated: int = Field(sa_type=BigInteger)
    cost_nano_usd: int = Field(sa_type=BigInteger)
    list_nano_usd: int = Field(sa_type=BigInteger)
    unpriced: int = Field(sa_type=BigInteger)
    answered: int = Field(sa_type=BigInteger)
    cut: int = Field(sa_type=BigInteger)


class UsageMarkRow(SQLModel, table=True):
    """Up to which number the rows of the usage log are in the sums."""

    __tablename__ = "usage_marks"

    name: str = Field(primary_key=True, max_length=16)
    up_to: int = Field(sa_type=BigInteger)


class VerdictRow(SQLModel, table=True):
    """One of several answers to the same prompt, and whether the owner found it the best."""

    __tablename__ = "verdicts"

    id: int | None = Field(default=None, primary_key=True)
    at_ms: int = Field(sa_type=BigInteger, index=True)
    provider: str = Field(max_length=64)
    model: str = Field(max_length=128)
    won: bool


class KeptResponseRow(SQLModel, table=True):
    """A response or a conversation by its id, whole: what was said, where the owner keeps it."""

    __tablename__ = "responses"

    name: str = Field(primary_key=True, max_length=MAX_NAME)
    owner: str = Field(max_length=MAX_OWNER)
    at_ms: int = Field(sa_type=BigInteger, index=True)
    size: int
    body: str = Field(sa_type=Text)


class KeptItemRow(SQLModel, table=True):
    """An item by a digest of its owner and id, and the response that it was written with."""

    __tablename__ = "response_items"

    item: str = Field(primary_key=True, max_length=MAX_NAME)
    name: str = Field(max_length=MAX_NAME, index=True)


class TeamKeyRow(SQLModel, table=True):
    """A key that the owner has made, as `proxy.store.keys.team_keys.TeamKey` has it."""

    __tablename__ = "team_keys"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=MAX_KEY_NAME)
    digest: str = Field(max_length=64)
    ending: str = Field(max_length=4)
    role: str = Field(max_length=16)
    requests_per_minute: int | None
    tokens_per_minute: int | None
    day_nano_usd: int | None = Field(sa_type=BigInteger)
    month_nano_usd: int | None = Field(sa_type=BigInteger)
    models: list[Any] = Field(sa_column=Column(JSON, nullable=False))
    providers: list[Any] = Field(sa_column=Column(JSON, nullable=False))
    created_ms: int = Field(sa_type=BigInteger)
    revoked_ms: int | None = Field(sa_type=BigInteger)


class AnswerRow(SQLModel, table=True):
    """An answer by the digest of all that it hangs on, where the owner keeps them on disk."""

    __tablename__ = "answers"
    __table_args__ = (Index("ix_answers_at_ms_size", "at_ms", "size"),)

    name: str = Field(primary_key=True, max_length=MAX_KEY)
    at_ms: int = Field(sa_type=BigInteger)
    size: int
    body: str = Field(sa_type=Text)


TABLES: MetaData = SQLModel.metadata
