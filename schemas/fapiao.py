"""A Chinese VAT invoice (发票). The JSON has Chinese keys, the Python attributes English names."""

from __future__ import annotations

import datetime
from decimal import Decimal

from pydantic import BaseModel, Field


class Item(BaseModel):
    """One line of the invoice."""

    name: str = Field(alias="项目名称")
    quantity: int = Field(alias="数量")
    unit_price: Decimal = Field(alias="单价")


class Fapiao(BaseModel):
    """电子发票的主要内容。"""

    number: str = Field(alias="发票号码")
    issued_on: datetime.date = Field(alias="开票日期")
    buyer: str = Field(alias="购买方")
    seller: str = Field(alias="销售方")
    items: list[Item] = Field(alias="明细")
    tax: Decimal = Field(alias="税额")
    total: Decimal = Field(alias="价税合计", description="小写金额，单位元")
