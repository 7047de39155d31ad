"""Golden cases: what upstreams really sent, byte for byte, and the client's answer. One folder per case."""
