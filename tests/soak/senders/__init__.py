"""What senders really do to an answer that was well formed: tables of changes, and the law they are held to.

`chat` and `responses` have the neutral changes, which leave the answer as it is, `chat_odd` and
`responses_odd` the others; `law` says what must come of both.
"""
