"""What makes a response: the `Writer` protocol, the `ResponseWriter` that makes all events, and its wrappers.

Readers (in `convert/dialects/`) call a writer; encoders (there too) turn its events into bytes.
"""
