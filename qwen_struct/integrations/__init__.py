"""qwen_struct beside other libraries: each module needs the one it is named after, so importing this needs none.

``transformers``: the constraint as a logits processor for ``model.generate()`` and pipelines. ``outlines``: the same
as a backend of Outlines, and Outlines' output types as JSON Schema. ``openai``: a model behind an OpenAI-compatible
server, in place of one that is loaded here.
"""
