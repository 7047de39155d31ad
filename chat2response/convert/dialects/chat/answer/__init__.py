"""Chat answers: `stream_reader` and `whole_answer` read them, `stream_encoder` and `whole_answer` write
them.

Streams and whole answers share `delta_reader`, so that both give the same result.
"""
