"""End-to-end tests: the gateway over real sockets, called with the official SDK."""
