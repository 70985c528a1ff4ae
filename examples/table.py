"""The rows of a table in a document, written as CSV.

$ python examples/table.py
sku,name,stock,price,supplier
BX-104,Hex bolt M8,1250,0.18,Ferrum
BX-221,Washer 8 mm,4800,0.03,Ferrum
KL-007,Torque wrench,12,64.95,Novatool
KL-019,Tape measure,37,7.25,
PN-330,"Primer, grey",58,11.45,Colorit
"""

import csv
import sys
from pathlib import Path

from pydantic import BaseModel, Field

from qwen_struct import extract

SCHEMAS = Path(__file__).parent.parent / "schemas"


class Row(BaseModel):
    """One article in stock."""

    sku: str
    name: str
    stock: int
    price: float
    supplier: str | None = Field(description="null where the table has a dash")


rows = extract((SCHEMAS / "table.txt").read_text(encoding="utf-8"), list[Row])

writer = csv.DictWriter(sys.stdout, Row.model_fields, lineterminator="\n")
writer.writeheader()
writer.writerows(row.model_dump() for row in rows)
