"""The gateway as its users meet it: over real sockets, with the official SDK."""
