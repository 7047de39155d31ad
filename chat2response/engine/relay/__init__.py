"""Answers that are passed on byte for byte, because the client and the upstream speak the same dialect.

Here are the relay, the taps that read a copy, and the filter for the stream's end. Answers in another dialect
are written in `respond/`.
"""
