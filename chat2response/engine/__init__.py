"""Runs one call: choose the plan, call the upstream, relay or convert its answer, and end it exactly once.

The engine knows no web framework: `api/` reads requests and sends what the engine returns. Limits live in
`quota/`.
"""
