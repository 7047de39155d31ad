"""The FastAPI application: the endpoints for keys, usage, audit, health and status, and its middleware.

`admin/` decides who may call them.
"""
