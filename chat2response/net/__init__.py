"""HTTP toward the outside: one transport that every upstream shares."""
