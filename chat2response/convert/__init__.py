"""The pure conversion library: dialects into the hub and out of it, with no I/O and no clock of its own.

The hub is a Responses request (`HubRequest`) answered by Responses events (`ResponseWriter`). Each
dialect has a folder with the same file names: `request`, `messages`, `tools` (requests, both ways),
`response` (a whole answer, both ways), `read` (its stream into a writer), `write` (events into its stream).
"""
