"""Upstreams: Chat and Responses servers over HTTP, and the built-in demo server. `Routes` selects one."""
