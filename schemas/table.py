"""The rows of a stock list, one object a row."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Row(BaseModel):
    """One article in stock."""

    sku: str
    name: str
    stock: int
    price: float
    supplier: str | None = Field(description="null where the table has a dash")


Table = list[Row]
