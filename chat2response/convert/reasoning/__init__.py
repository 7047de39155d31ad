"""Reasoning in both dialects: where a response shows it, and what goes back to the backend with it.

Its readers and writers are not here (`convert/dialects/`, `convert/writer/`), nor are the keys of seals
(`state/sealing.py`).
"""
