"""The data plane: Chat, Responses, `/proxy`, `/convert`, models, their authentication, the stream sender.

The endpoints that manage keys live in `management/`.
"""
