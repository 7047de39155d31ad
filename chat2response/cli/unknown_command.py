"""The first word of the command line where it names no command.

The Rust edition takes it as the path of an mcp.json. Tools land with a later release, and until then a
gateway that was started with one must not run as if it had them: it says what it understood instead.
"""

from collections.abc import Collection
from pathlib import Path

from chat2response.cli.option_anywhere import near
from chat2response.wire.json import JSONError, decode

RESERVED = frozenset(
    {"convert", "doctor", "init", "mcp", "models", "monitor", "reload", "replay", "routes", "tools", "usage"}
)
"""Names of commands to come: no file is looked for under one of these."""


def explain(word: str, commands: Collection[str], aliases: Collection[str], default: str) -> str:
    """What to tell whoever wrote `word` first."""
    if word in RESERVED:
        there = _list(commands)
        return f"'{word}' is the name of a command that comes with a later release. There are: {there}."
    if word in ("help", "version"):
        return f"'{word}' is an option: --{word}."
    path = Path(word)
    if path.is_file():
        return _mcp(path)
    if _like_a_path(word):
        return f"'{word}' is read as the path of an MCP configuration, but there is no such file."
    meant = near(word, [*commands, *aliases])
    hint = f" Did you mean {meant}?" if meant else f" There are: {_list(commands)} (without one: {default})."
    return f"'{word}' is neither a command nor a file.{hint} Everything else is said by options and settings."


def _mcp(path: Path) -> str:
    """What an MCP configuration holds, and that it cannot be used yet."""
    try:
        value = decode(path.read_bytes())
    except OSError as error:
        return f"The MCP configuration {path} cannot be read: {error.strerror or error}."
    except JSONError as error:
        return f"{path} is read as an MCP configuration, but it is not JSON: {error}."
    servers = value.get("mcpServers") if type(value) is dict else None
    if type(servers) is not dict:
        return f'{path} is read as an MCP configuration, but it has no object "mcpServers".'
    broken = [name for name, server in servers.items() if not _is_server(server)]
    if broken:
        return f'{path}: the server "{broken[0]}" has no "command", which starts it.'
    return (
        f"{path} is an MCP configuration ({_count(servers)}), and MCP tools come with a later release. "
        "Start without it; clients that run MCP servers themselves work as they are."
    )


def _is_server(server: object) -> bool:
    return type(server) is dict and (type(server.get("command")) is str or type(server.get("url")) is str)


def _count(servers: Collection[str]) -> str:
    if not servers:
        return "no servers"
    return f"{len(servers)} server{'s' if len(servers) > 1 else ''}: {', '.join(servers)}"


def _like_a_path(word: str) -> bool:
    return word.endswith(".json") or "/" in word or "\\" in word


def _list(commands: Collection[str]) -> str:
    return ", ".join(sorted(commands))
