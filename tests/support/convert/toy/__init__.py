"""A third API, for tests: one value, and no line elsewhere."""
