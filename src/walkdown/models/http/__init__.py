"""Anybody's model behind an address: sent a photograph over HTTP, its JSON read by a card.

`card` is what a user writes, `secrets` where a secret comes from, `model` the `Model` port. What is
sent and how an answer is read is `walkdown.models.mapping`, the transport `walkdown.sdk.http`.
"""
