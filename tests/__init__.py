"""Tests mirror the package; what several of them share is imported as `tests.<module>`."""
