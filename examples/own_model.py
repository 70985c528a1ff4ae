"""The same call with a model of your own: a folder, or a name on the hub, that holds a Qwen2-architecture checkpoint.

$ python examples/own_model.py Qwen/Qwen2.5-7B-Instruct
$ python examples/own_model.py /models/my-finetuned-qwen

A checkpoint named by its hub name is downloaded on first use. Device and dtype are chosen for the machine; the weights
of the 7B take about 15 GB in bfloat16. What it prints depends on the model; with the bundled one, named by its folder:

$ python examples/own_model.py qwen_struct/mini
陈思远 数据工程师 ['浙江大学 本科', '同济大学 硕士'] ['Python', 'Spark', 'SQL', '数据建模']
"""

import sys
from pathlib import Path

from qwen_struct import Extractor, ModelError

SCHEMAS = Path(__file__).parent.parent / "schemas"

try:
    extractor = Extractor(sys.argv[1] if len(sys.argv) > 1 else "Qwen/Qwen2.5-7B-Instruct")
except ModelError as error:
    sys.exit(f"{error}")

text = (SCHEMAS / "resume.txt").read_text(encoding="utf-8")
resume = extractor.extract(text, f"{SCHEMAS}/resume.py:Resume", temperature=0.0, max_tokens=600)
print(resume.name, resume.position, [f"{e.school} {e.degree}" for e in resume.education], resume.skills)
