"""Chat Completions: into the hub and out of it."""
