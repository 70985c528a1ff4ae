"""transformers' own generate(), with a schema for each row of the batch: beams, sampling and pipelines work the same.

For code that calls generate() already; extract() also drafts from the document and takes without the network what the
schema leaves no choice about. Given max_new_tokens, the JSON is complete when it is reached.

$ python examples/generate.py
{'number': 'NL-2024-0317', 'currency': 'EUR'}
{'name': '陈思远', 'phone': '13857104926', 'email': 'chensiyuan@example.com', 'position': '数据工程师'}
"""

from pathlib import Path

import transformers

import qwen_struct
from qwen_struct import SchemaLogitsProcessor
from qwen_struct.prompt import build_messages
from qwen_struct.schema.inputs import load_schema
from qwen_struct.schema.validate import validate_json

SCHEMAS = Path(__file__).parent.parent / "schemas"
MINI = Path(qwen_struct.__file__).parent / "mini"  # any Qwen2.5 checkpoint works the same

model = transformers.AutoModelForCausalLM.from_pretrained(MINI, dtype="float32")
tokenizer = transformers.AutoTokenizer.from_pretrained(MINI, padding_side="left")

schemas = [load_schema(f"{SCHEMAS}/invoice.py:Invoice"), load_schema(f"{SCHEMAS}/resume.py:Resume")]
texts = [(SCHEMAS / name).read_text(encoding="utf-8") for name in ("invoice.txt", "resume.txt")]
prompts = [
    tokenizer.apply_chat_template(build_messages(s.json_schema, t), tokenize=False, add_generation_prompt=True)
    for s, t in zip(schemas, texts, strict=True)
]
inputs = tokenizer(prompts, return_tensors="pt", padding=True)

processor = SchemaLogitsProcessor(schemas, tokenizer, model, max_new_tokens=400)
output = model.generate(**inputs, logits_processor=[processor], max_new_tokens=400, do_sample=False)
for schema, row in zip(schemas, output[:, inputs.input_ids.shape[1] :], strict=True):
    value = validate_json(tokenizer.decode(row, skip_special_tokens=True), schema)
    print({name: field for name, field in value if isinstance(field, str)})
