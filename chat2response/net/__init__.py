"""HTTP toward the outside: one transport that every upstream shares, over connections of our own."""
