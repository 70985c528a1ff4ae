"""A request in words turned into the body of ``POST /tickets``."""

from __future__ import annotations

import datetime
from enum import StrEnum

from pydantic import BaseModel, Field


class Priority(StrEnum):
    """How soon someone must look at it."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Requester(BaseModel):
    """Who asks."""

    name: str
    email: str


class CreateTicket(BaseModel):
    """Body of a request that opens a ticket."""

    title: str
    priority: Priority
    requester: Requester
    due_date: datetime.date | None
    assignee: str | None = Field(description="Person or team to work on it; null when none is named")
    labels: list[str]
    notify: bool = Field(description="Whether the requester wants e-mail updates")
