"""The request: read into the hub, and written for a Responses upstream."""
