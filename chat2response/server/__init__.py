"""The process that serves: the HTTP protocol and its bounds, listeners, workers, signals, logs, bootstrap.

Commands live in `cli/`, the ASGI application in `app.py`.
"""
