"""`chat2response keys`: manages the keys in a store. Running gateways see each change within a second.

What can be done with keys lives in `chat2response.keys`; here are only the commands.
"""
