"""The data plane: Chat, Responses, `/proxy`, `/convert`, models, their authentication, the stream sender.

Keys are managed in `management/`.
"""
