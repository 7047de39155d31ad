"""Upstreams: Chat and Responses servers over HTTP, and the built-in demo. `Routes` selects one."""
