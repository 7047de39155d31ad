"""Chat answers: `stream_reader` and `completion` read them, `stream_encoder` and `completion` write them.

Streams and whole answers share `delta_reader`, so that both give the same result.
"""
