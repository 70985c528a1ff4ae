"""Key figures of a financial report, with instructions to the model and a look at how the answer came about.

$ python examples/report.py
company          Halden Instruments plc
period           2023
currency         GBP
revenue          412.6
operating_profit 64.3
net_profit       46.8
net_margin       11.3
employees        2184
outlook          raised
Net profit / revenue is 11.3%
91 tokens, finished by 'stop': {"company": "Halden Instruments plc", "p...
"""

from pathlib import Path

from qwen_struct import Extractor

SCHEMAS = Path(__file__).parent.parent / "schemas"

extractor = Extractor("mini")  # loads the model once, for any number of documents
result = extractor.run(
    (SCHEMAS / "report.txt").read_text(encoding="utf-8"),
    f"{SCHEMAS}/report.py:Indicators",
    instructions="You are a financial analyst. Give the key indicators of the latest period.",
)

figures = result.value
for name, value in figures:
    print(f"{name:16} {value}")
print(f"Net profit / revenue is {figures.net_profit / figures.revenue:.1%}")
print(f"{result.num_output_tokens} tokens, finished by {result.finish_reason!r}: {result.text[:40]}...")
