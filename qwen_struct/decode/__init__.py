"""From a model and a grammar to the tokens of one answer.

In reading order: ``locate`` finds a checkpoint, ``model`` loads it, ``chat`` turns messages into token ids,
``context`` holds what the network has read, ``sampling`` chooses one token among those allowed, and ``loop`` joins
them. ``timings`` says where the time went. Everything but ``timings`` imports torch, so importing this package does
not import its modules.
"""
