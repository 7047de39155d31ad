"""What the operator sees: metrics and logs. Callable from everywhere above; knows errors only."""
