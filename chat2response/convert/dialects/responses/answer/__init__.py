"""The answer: read from a Responses upstream, whole or as a stream, and encoded for a Responses client."""
