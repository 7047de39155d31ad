"""The data plane: Chat, Responses, `/proxy`, `/convert` and `/v1/models`, their authentication, the stream sender.

Keys are managed in `management/`.
"""
