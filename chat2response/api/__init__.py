"""HTTP: verify the key, read the body, open the engine, deliver. Hot endpoints are plain ASGI callables."""
