"""The rows of a table while the model is still writing: each value comes typed as soon as its JSON closes.

$ python examples/stream.py
 1,250 x Hex bolt M8     0.18
 4,800 x Washer 8 mm     0.03
    12 x Torque wrench  64.95
    37 x Tape measure    7.25
    58 x Primer, grey   11.45
3 rows so far when /2/name closed, the last one with sku, name: KL-007 Torque wrench
5 rows in all: SKUs BX-104 BX-221 KL-007 KL-019 PN-330
"""

import re
from pathlib import Path

from qwen_struct import Extractor

SCHEMAS = Path(__file__).parent.parent / "schemas"

text = (SCHEMAS / "table.txt").read_text(encoding="utf-8")
closed = {}
for partial in Extractor("mini").stream(text, f"{SCHEMAS}/table.py:Table"):
    closed[partial.pointer] = partial
    if re.fullmatch("/[0-9]+", partial.pointer):  # a row; its fields came before it, the whole list comes last
        row = partial.value
        print(f"{row.stock:6,} x {row.name:14} {row.price:5}")

then = closed["/2/name"].so_far  # the list as it stood at that moment
*_, last = then
print(f"{len(then)} rows so far when /2/name closed, the last one with {', '.join(vars(last))}: {last.sku} {last.name}")
rows = closed[""].value  # the whole, validated
print(f"{len(rows)} rows in all: SKUs", *(row.sku for row in rows))
