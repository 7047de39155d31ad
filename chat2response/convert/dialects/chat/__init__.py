"""Chat Completions: its request fields, its message history, its tools, and its answers.

What one backend does differently from the next is data, in `convert/quirks/`.
"""
