"""State that outlives a call: the owners of upstream ids, and the keys that seal reasoning for clients.

API keys live in `keys/`, counted use in `quota/`, the stores themselves in `stores/`.
"""
