"""Converts a conversation in both directions: Chat messages to hub items and back, with tool calls, tool
outputs and reasoning.

The other request fields live in `request/`.
"""
