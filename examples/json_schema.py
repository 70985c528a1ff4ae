"""A JSON Schema instead of a type: what comes back is the parsed JSON, checked against the schema.

$ python examples/json_schema.py
合同编号: 'HT-2024-0862'
甲方: '苏州恒力机械有限公司'
乙方: '南京建业工程有限公司'
签订日期: '2024-04-09'
合同金额: 356800
付款方式: '分期付款'
the value does not fit Contract: 2 faults
  /签订日期: '2024-04-31' is not a 'date'
  /合同金额: '很多' is not of type 'number'
"""

from pathlib import Path

from qwen_struct import ValidationError, extract, validate

SCHEMA = {
    "title": "Contract",
    "type": "object",
    "properties": {
        "合同编号": {"type": "string", "pattern": "^HT-[0-9]{4}-[0-9]{4}$"},
        "甲方": {"type": "string"},
        "乙方": {"type": "string"},
        "签订日期": {"type": "string", "format": "date"},
        "合同金额": {"type": "number", "exclusiveMinimum": 0},
        "付款方式": {"enum": ["一次性付款", "分期付款", "货到付款"]},
    },
    "required": ["合同编号", "甲方", "乙方", "签订日期", "合同金额", "付款方式"],
    "additionalProperties": False,
}

contract = extract((Path(__file__).parent.parent / "schemas/contract.txt").read_text(encoding="utf-8"), SCHEMA)
for key, value in contract.items():
    print(f"{key}: {value!r}")

try:  # the same schema for a value from elsewhere
    validate({**contract, "签订日期": "2024-04-31", "合同金额": "很多"}, SCHEMA)
except ValidationError as error:
    print(error)
