"""The Redis store: one server, a cluster or Sentinels, shared by many machines.

The interface and its contract live in `stores/base.py`.
"""
