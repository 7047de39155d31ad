"""A click group that accepts options before or after a command's name, and aliases for commands."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from chat2response.cli.errors import EXIT_CODES, mask_tokens

_MIN_SIMILARITY = 0.75  # of 1, for a suggestion


class OptionAnywhereGroup(click.Group):
    """Treats `group --option value name` like `group name --option value`. Help texts end with the exit
    codes.

    `aliases`: alias to command name. Errors never repeat a token from the command line.
    """

    def __init__(self, *args: Any, aliases: Mapping[str, str] | None = None, **attrs: Any) -> None:
        super().__init__(*args, **attrs)
        self.aliases = aliases or {}

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Adds a command or a group."""
        cmd.epilog = EXIT_CODES
        super().add_command(cmd, name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command with this name or alias."""
        return super().get_command(ctx, self.aliases.get(cmd_name, cmd_name))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        index = self.command_index(args)
        if index is not None:
            args = [args[index], *args[:index], *args[index + 1 :]]
        return super().parse_args(ctx, args)

    def command_index(self, args: list[str]) -> int | None:
        """The index of the first argument that is neither an option nor an option's value.

        Raises UsageError for an unknown option before it, whose value could be mistaken for a command.
        """
        takes_value = dict(_options_of(self))
        is_value = False
        for index, arg in enumerate(args):
            if is_value:
                is_value = False
            elif not arg.startswith("-") or arg == "-":
                return index
            else:
                name = arg.partition("=")[0]
                if name not in takes_value:
                    raise _no_such_option(name, takes_value)
                is_value = takes_value[name] and name == arg
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None:
            raise click.UsageError(self.unknown_command_message(args[0]), ctx)
        return super().resolve_command(ctx, args)

    def unknown_command_message(self, name: str) -> str:
        """The error message for an unknown command."""
        suggestion = closest(name, [*self.commands, *self.aliases])
        commands = ", ".join(sorted(self.commands))
        hint = f"Did you mean '{suggestion}'?" if suggestion else f"Commands: {commands}."
        return f"No such command: '{name}'. {hint}"

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _masking_errors():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _masking_errors():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_commands(ctx, formatter)
        if self.aliases:
            with formatter.section("Aliases"):
                formatter.write_dl([(", ".join(self._aliases_of(name)), name) for name in self._aliased()])

    def _aliased(self) -> list[str]:
        return list(dict.fromkeys(self.aliases.values()))

    def _aliases_of(self, name: str) -> Iterator[str]:
        return (alias for alias, command in self.aliases.items() if command == name)


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `name` is probably a typo of, or None. Leading dashes are ignored."""
    from difflib import get_close_matches

    bare = {candidate.lstrip("-"): candidate for candidate in candidates}
    matches = get_close_matches(name.lstrip("-"), bare, n=1, cutoff=_MIN_SIMILARITY)
    return bare[matches[0]] if matches else None


def _no_such_option(
    name: str, candidates: Iterable[str], ctx: click.Context | None = None
) -> click.UsageError:
    suggestion = closest(name, candidates)
    hint = f" Did you mean {suggestion}?" if suggestion else ""
    return click.UsageError(f"No such option: {name}.{hint}", ctx)


def _options_of(command: click.Command) -> Iterator[tuple[str, bool]]:
    """The names of all options of `command` and its subcommands, and whether each takes a value."""
    yield from (("--help", False), ("-h", False), ("--", False))
    for param in command.params:
        if isinstance(param, click.Option):
            yield from ((name, not param.is_flag) for name in (*param.opts, *param.secondary_opts))
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from _options_of(inner)


@contextmanager
def _masking_errors() -> Iterator[None]:
    """Masks usage errors, which may repeat a token that was typed in the wrong place."""
    try:
        yield
    except click.NoSuchOption as error:
        raise _no_such_option(error.option_name, error.possibilities or (), error.ctx) from None
    except click.ClickException as error:
        error.__dict__["message"] = mask_tokens(error.message)  # final to the type checker only
        raise
