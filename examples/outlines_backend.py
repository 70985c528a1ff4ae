"""Outlines with this package's engine, and Outlines' output types in extract(). Needs Outlines: qwen-struct[outlines].

$ python examples/outlines_backend.py
合同编号: 'HT-2024-0862'
甲方: '苏州恒力机械有限公司'
乙方: '南京建业工程有限公司'
签订日期: '2024-04-09'
合同金额: 356800
付款方式: '分期付款'
期限月数: 18
担保人: None
12 True
"""

import json
from pathlib import Path

import outlines
import transformers
from outlines.types import Choice, regex

import qwen_struct
from qwen_struct import extract
from qwen_struct.integrations.outlines import outlines_processor
from qwen_struct.prompt import build_messages
from qwen_struct.schema.inputs import load_schema

SCHEMAS = Path(__file__).parent.parent / "schemas"
MINI = Path(qwen_struct.__file__).parent / "mini"

model = outlines.from_transformers(
    transformers.AutoModelForCausalLM.from_pretrained(MINI, dtype="float32"),
    transformers.AutoTokenizer.from_pretrained(MINI),
)
schema = f"{SCHEMAS}/contract.py:Contract"
text = (SCHEMAS / "contract.txt").read_text(encoding="utf-8")

generator = outlines.Generator(model, processor=outlines_processor(schema, model))
chat = outlines.inputs.Chat(build_messages(load_schema(schema).json_schema, text))
for name, value in json.loads(generator(chat, max_new_tokens=400)).items():
    print(f"{name}: {value!r}")

number = extract(text, regex("[A-Z]{2}-[0-9]{4}-[0-9]{4}"))  # the bundled model was not made for this: it fits, no more
kind = extract(text, Choice(["contract", "invoice"]))
print(len(number), kind in ("contract", "invoice"))
