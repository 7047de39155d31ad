"""Runs calls: chooses the plan, calls the upstream, relays or converts its answer, and ends it exactly once.

Read `answer_call.py` first, then `run.py`. The engine knows no web framework: `api/` reads requests and sends
what the engine returns. Limits live in `quota/`.
"""
