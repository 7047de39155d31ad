"""The story of a call: plan its way, ask the upstream, relay or convert the answer, and end it once.

It knows no web framework: `api/` reads requests and sends what the engine returns. Limits live in `quota/`.
"""
