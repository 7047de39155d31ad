"""The items of a conversation: written for a Responses upstream, and checked for calls without a partner."""
