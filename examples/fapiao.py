"""A Chinese VAT invoice: the JSON has Chinese keys, the Python object English attributes.

$ python examples/fapiao.py
{"发票号码":"24317000000158203946","开票日期":"2024-05-18","购买方":"杭州云杉科技有限公司","销售方":"上海明远办公用品有限公司"}
人体工学椅 2 x 865.49
A4复印纸 10 x 21.25
白板笔 24 x 3.15
价税合计 2281.56 元
"""

from pathlib import Path

from qwen_struct import extract

SCHEMAS = Path(__file__).parent.parent / "schemas"

text = (SCHEMAS / "fapiao.txt").read_text(encoding="utf-8")
fapiao = extract(text, f"{SCHEMAS}/fapiao.py:Fapiao")

print(fapiao.model_dump_json(by_alias=True, include={"number", "issued_on", "buyer", "seller"}))
for item in fapiao.items:
    print(f"{item.name} {item.quantity} x {item.unit_price}")
print(f"价税合计 {fapiao.total} 元")
