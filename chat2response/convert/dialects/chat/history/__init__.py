"""A conversation, both ways: Chat messages and the hub's items, tool calls, outputs, and reasoning.

The other request fields live in `request/`.
"""
