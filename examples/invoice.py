"""An invoice as a Pydantic object, with money as exact decimals.

$ python examples/invoice.py
Invoice NL-2024-0317 of 15 March 2024
    3 x Desk lamp, black       119.85
   25 x Notebook A5, dotted     58.75
    1 x Label printer LP-20    148.49
Total 389.24 EUR
Lines without tax: 327.09, so the tax is 62.15
"""

from pathlib import Path

from qwen_struct import extract

SCHEMAS = Path(__file__).parent.parent / "schemas"

text = (SCHEMAS / "invoice.txt").read_text(encoding="utf-8")
invoice = extract(text, f"{SCHEMAS}/invoice.py:Invoice")  # a class of yours goes here just as well

print(f"Invoice {invoice.number} of {invoice.date:%d %B %Y}")
for line in invoice.lines:
    print(f"  {line.quantity:3} x {line.description:20} {line.quantity * line.unit_price:8}")
print(f"Total {invoice.total} {invoice.currency}")
net = sum(line.quantity * line.unit_price for line in invoice.lines)
print(f"Lines without tax: {net}, so the tax is {invoice.total - net}")
