"""The loops over the whole vocabulary, compiled by Numba when first used and cached on disk. They release the GIL."""

from __future__ import annotations

import numpy as np
from numba import njit

DEAD, UNKNOWN = -1, -2  # table entries: no way on; not filled in yet


@njit(cache=True, nogil=True)
def build_trie(data, offsets, out_byte, out_depth, out_skip, out_token):  # type: ignore[no-untyped-def]
    """Preorder arrays of the trie of sorted, distinct byte strings; returns the number of nodes.

    ``data[offsets[i]:offsets[i + 1]]`` is string i. Node 0 is the root; ``out_token`` holds string indices or -1.
    """
    num_nodes = 1
    out_depth[0], out_token[0] = 0, -1
    path = np.zeros(1 << 16, np.int32)  # the node at each depth of the string before
    length = 0
    for i in range(offsets.size - 1):
        start, end = offsets[i], offsets[i + 1]
        common = 0
        if i > 0:
            before = offsets[i - 1]
            while common < length and common < end - start and data[before + common] == data[start + common]:
                common += 1
        for depth in range(length, common, -1):
            out_skip[path[depth]] = num_nodes
        for depth in range(common, end - start):
            out_byte[num_nodes] = data[start + depth]
            out_depth[num_nodes] = depth + 1
            out_token[num_nodes] = -1
            path[depth + 1] = num_nodes
            num_nodes += 1
        length = end - start
        out_token[path[length]] = i
    for depth in range(length, -1, -1):
        out_skip[path[depth]] = num_nodes
    return num_nodes


@njit(cache=True, nogil=True)
def walk(  # type: ignore[no-untyped-def]
    byte, depth, skip, token, node, table, flags, path, cursor, tokens, reached, exits
):
    """Runs the automaton ``table`` (states, 256) over the subtrie below ``node``.

    ``path[d]`` is the state after d bytes, the first one given; ``cursor`` holds the next node, and how many entries
    ``tokens`` (that it survives, with the states in ``reached``) and ``exits`` have. Exits are the nodes where a state
    flagged 1 reads a quote, or a state flagged 2 is reached. Returns -1 at the end, or a state whose row is UNKNOWN:
    fill it and call again.
    """
    i, num_tokens, num_exits = cursor[0], cursor[1], cursor[2]
    base = depth[node]
    stop = skip[node]
    while i < stop:
        level = depth[i] - base
        before = path[level - 1]
        if byte[i] == 0x22 and flags[before] == 1:
            exits[num_exits] = i
            num_exits += 1
            i = skip[i]
            continue
        state = table[before, byte[i]]
        if state < 0:
            if state == UNKNOWN:
                cursor[0], cursor[1], cursor[2] = i, num_tokens, num_exits
                return before
            i = skip[i]
            continue
        path[level] = state
        t = token[i]
        if t >= 0:
            tokens[num_tokens], reached[num_tokens] = t, state
            num_tokens += 1
        if flags[state] == 2:
            exits[num_exits] = i
            num_exits += 1
        i += 1
    cursor[0], cursor[1], cursor[2] = i, num_tokens, num_exits
    return -1


@njit(cache=True, nogil=True)
def set_bits(row, tokens):  # type: ignore[no-untyped-def]
    """Sets the bits of ``tokens`` in ``row`` (uint32)."""
    for t in tokens:
        row[t >> 5] |= np.uint32(1) << np.uint32(t & 31)
