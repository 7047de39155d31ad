"""One folder for each API that we speak: how its requests and answers are read into the hub and written out.

What all dialects share (losses, usage, outcomes, the writer) lives one folder up, in `convert/`.
"""
