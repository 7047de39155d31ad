"""What travels: JSON, SSE frames, the shapes of both dialects, and the `Machine` that reads them."""
