"""What requests of every dialect have in common: their JSON object, unambiguous keys, the output limit."""
