"""`chat2response keys`: the keys in a store, from the shell. Gateways that run see each change there."""
