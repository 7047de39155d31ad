"""The HTTP client: one transport that all upstreams share, its connections, proxies and timeouts."""
