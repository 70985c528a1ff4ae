"""Languages of strings: code point sets, regular terms, ECMA-262 patterns and the formats of JSON Schema.

Read charset, terms, decide (what can be asked of a term), then ecma with lookaround, then formats.
"""
