"""The loops over the whole vocabulary, compiled by Numba when first used and cached on disk. They release the GIL."""

from __future__ import annotations

import numpy as np
from numba import njit

DEAD, CLOSED = -1, -2  # table entries: no way on; the string's closing quote


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
def walk(byte, depth, skip, token, node, table, row, ends, exits):  # type: ignore[no-untyped-def]
    """Runs the automaton ``table`` (states, 256) from state 0 over the subtrie below ``node``.

    Sets the bits in ``row`` (uint32) of the tokens that it survives. Nodes where it reads a closing quote, and nodes
    reached in states marked in ``ends``, are written to ``exits``; returns their number, which may exceed its size.
    """
    states = np.zeros(1 << 16, np.int32)
    base = depth[node]
    num_exits = 0
    i, stop = node + 1, skip[node]
    while i < stop:
        level = depth[i] - base
        state = table[states[level - 1], byte[i]]
        if state < 0:
            if state == CLOSED:
                if num_exits < exits.size:
                    exits[num_exits] = i
                num_exits += 1
            i = skip[i]
            continue
        states[level] = state
        t = token[i]
        if t >= 0:
            row[t >> 5] |= np.uint32(1) << np.uint32(t & 31)
        if ends[state]:
            if num_exits < exits.size:
                exits[num_exits] = i
            num_exits += 1
        i += 1
    return num_exits
