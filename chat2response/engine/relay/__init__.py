"""Answers that are passed on byte for byte, because the client and the upstream speak the same dialect.

Here are the relay, what it reads of a request, and the filters of a stream. The taps that read a copy live in
`convert/dialects/`. Answers in another dialect are written in `respond/`.
"""
