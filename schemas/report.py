"""Key figures of a company's results, as a financial analyst would note them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Indicators(BaseModel):
    """Key indicators of the latest period."""

    company: str
    period: str = Field(description="The latest period reported")
    currency: Literal["EUR", "USD", "GBP", "CNY"]
    revenue: float = Field(description="In millions")
    operating_profit: float = Field(description="In millions")
    net_profit: float = Field(description="In millions; negative for a loss")
    net_margin: float = Field(description="Net profit as a percentage of revenue")
    employees: int | None
    outlook: Literal["raised", "maintained", "lowered"] | None
