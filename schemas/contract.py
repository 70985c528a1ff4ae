"""Key terms of a Chinese contract (合同), with field names in Chinese."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, Field


class Contract(BaseModel):
    """合同的关键条款。"""

    合同编号: str
    甲方: str
    乙方: str
    签订日期: datetime.date
    合同金额: Decimal = Field(description="单位：元")
    付款方式: Literal["一次性付款", "分期付款", "货到付款"]
    期限月数: int = Field(description="合同期限，单位：月")
    担保人: str | None = Field(description="没有担保人时为 null")
