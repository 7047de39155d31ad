"""`docs/fidelity.md`, made by sending each field through the converters: what comes out is what it says."""
