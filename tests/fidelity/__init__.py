"""Writes `docs/fidelity.md`: sends each field through the converters and records the result."""
