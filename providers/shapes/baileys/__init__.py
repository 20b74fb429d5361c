"""The vocabulary of Baileys messages (WebMessageInfo), which several device gateways pass on as it is.

`keys` tells who and where, `message` what; `jids` and `values` read what they are made of. Nothing here knows
an envelope.
"""
