"""An invoice: who wants how much, in which currency, for what."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, Field


class Line(BaseModel):
    """One billed item."""

    description: str
    quantity: int
    unit_price: Decimal


class Invoice(BaseModel):
    """An invoice with its lines."""

    number: str = Field(description="Invoice number")
    date: datetime.date = Field(description="Date of issue")
    currency: Literal["EUR", "USD", "CNY"]
    lines: list[Line]
    total: Decimal = Field(description="Amount due, taxes included")
