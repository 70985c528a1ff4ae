"""The constraint as a backend of Outlines: its models and prompts, this package's schemas and masks.

The other way round needs no import: ``extract`` takes Outlines' output types as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .transformers import SchemaLogitsProcessor

if TYPE_CHECKING:
    from outlines.models.transformers import Transformers

    from ..schema.references import Retrieve


def outlines_processor(
    schema: Any, model: Transformers, *, max_new_tokens: int | None = None, retrieve: Retrieve | None = None
) -> SchemaLogitsProcessor:
    """A processor for ``outlines.Generator(model, processor=...)``, called with a prompt or, by ``.batch``, with many.

    ``schema`` is whatever :func:`qwen_struct.extract` takes, or a list of them, one for each prompt of a batch.
    ``model`` is what ``outlines.from_transformers`` returned. ``max_new_tokens``, the same as the generator is called
    with, keeps answers within it. The generator gives the JSON as text, of which
    :func:`qwen_struct.schema.validate.validate_json` makes the value.

    Raises:
        TypeError: a model of another kind, whose logits Outlines does not hand out to processors of transformers.
        SchemaError, ModelError, BudgetError: as :class:`~.transformers.SchemaLogitsProcessor`.
    """
    network, tokenizer = getattr(model, "model", None), getattr(model, "hf_tokenizer", None)
    if network is None or tokenizer is None:
        raise TypeError(f"model must be one of outlines.from_transformers, not {type(model).__name__}")
    return SchemaLogitsProcessor(schema, tokenizer, network, max_new_tokens=max_new_tokens, retrieve=retrieve)
