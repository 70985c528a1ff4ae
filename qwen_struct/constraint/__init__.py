"""Languages of bytes -> masks over tokens: vocabulary, mask builder, grammar and matcher. No torch here."""

from .bitmask import allocate_token_bitmask, allowed_tokens
from .cache import CacheInfo
from .grammar import Grammar, compile_schema
from .matcher import Matcher
from .pool import MaskPool
from .vocabulary import Vocabulary

__all__ = [
    "CacheInfo",
    "Grammar",
    "MaskPool",
    "Matcher",
    "Vocabulary",
    "allocate_token_bitmask",
    "allowed_tokens",
    "compile_schema",
]
