"""The SQLite store: one file, shared by the processes of one machine.

The interface and its contract live in `stores/base.py`.
"""
