"""Variations of answers as real upstreams send them: tables of changes, and the checks of the results.

`chat` and `responses` have neutral changes, which must not change the client's answer; `chat_odd` and
`responses_odd` have the others. `checks` tests the answers to both.
"""
