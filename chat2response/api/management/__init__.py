"""The FastAPI application: endpoints for keys, usage, audit, health and status, and its middleware.

Who may call them is decided in `admin/`.
"""
