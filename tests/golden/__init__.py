"""What upstreams really sent, as bytes, and the answer that a client gets. A new case is a new folder."""
