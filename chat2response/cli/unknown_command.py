"""Explains a first argument that names no command.

The Rust edition takes it as the path of an mcp.json. This edition has no MCP tools yet, and must not start as
if it had them, so it explains what it understood.
"""

from collections.abc import Collection
from pathlib import Path

from chat2response.cli.option_anywhere import closest
from chat2response.wire.json import JSONError, decode

RESERVED = frozenset(
    {"convert", "doctor", "init", "mcp", "models", "monitor", "reload", "replay", "routes", "tools", "usage"}
)
"""Names of planned commands, which are never read as file names."""


def explain(name: str, commands: Collection[str], aliases: Collection[str], default: str) -> str:
    """The error message for the unknown command `name`."""
    if name in RESERVED:
        return f"The command '{name}' is not available yet. Commands: {_list(commands)}."
    if name in ("help", "version"):
        return f"'{name}' is an option. Use --{name}."
    path = Path(name)
    if path.is_file():
        return _mcp(path)
    if _looks_like_path(name):
        return f"There is no MCP configuration file '{name}'."
    suggestion = closest(name, [*commands, *aliases])
    if suggestion:
        return f"'{name}' is neither a command nor a file. Did you mean {suggestion}?"
    return f"'{name}' is neither a command nor a file. Commands: {_list(commands)}; the default is {default}."


def _mcp(path: Path) -> str:
    """The error message for the path of an MCP configuration, which the gateway cannot use yet."""
    try:
        value = decode(path.read_bytes())
    except OSError as error:
        return f"Cannot read the MCP configuration {path}: {error.strerror or error}."
    except JSONError as error:
        return f"{path} is no MCP configuration: it is not valid JSON: {error}."
    servers = value.get("mcpServers") if type(value) is dict else None
    if type(servers) is not dict:
        return f'{path} is no MCP configuration: it has no "mcpServers" object.'
    broken = [name for name, server in servers.items() if not _is_server(server)]
    if broken:
        return f'{path}: the server "{broken[0]}" needs a "command" or a "url".'
    return (
        f"{path} is an MCP configuration ({_count(servers)}), but this release does not support MCP tools. "
        "Start without it. Clients that run MCP servers themselves work."
    )


def _is_server(server: object) -> bool:
    return type(server) is dict and (type(server.get("command")) is str or type(server.get("url")) is str)


def _count(servers: Collection[str]) -> str:
    if not servers:
        return "no servers"
    return f"{len(servers)} server{'s' if len(servers) > 1 else ''}: {', '.join(servers)}"


def _looks_like_path(name: str) -> bool:
    return name.endswith(".json") or "/" in name or "\\" in name


def _list(commands: Collection[str]) -> str:
    return ", ".join(sorted(commands))
