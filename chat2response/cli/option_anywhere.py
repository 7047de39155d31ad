"""A group of commands whose options may stand before or after the command's name, which may have aliases."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from chat2response.cli.errors import EXIT_CODES, masked

_NEAR = 0.75  # of 1: how like a name a word must be to be taken for a slip of it


class Anywhere(click.Group):
    """`group --option value name` is `group name --option value`. Every help ends with the exit codes.

    `aliases`: further words for a command. An error repeats no token that was typed.
    """

    def __init__(self, *args: Any, aliases: Mapping[str, str] | None = None, **attrs: Any) -> None:
        super().__init__(*args, **attrs)
        self.aliases = aliases or {}

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Adds a command, or a group of them."""
        cmd.epilog = EXIT_CODES
        super().add_command(cmd, name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name or alias."""
        return super().get_command(ctx, self.aliases.get(cmd_name, cmd_name))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = self.name_at(args)
        if at is not None:
            args = [args[at], *args[:at], *args[at + 1 :]]
        return super().parse_args(ctx, args)

    def name_at(self, args: list[str]) -> int | None:
        """Where the first word is that is neither an option nor an option's value.

        Raises UsageError for an option before it that no command has: its value is no command.
        """
        takes_value = dict(_options(self))
        is_value = False
        for at, arg in enumerate(args):
            if is_value:
                is_value = False
            elif not arg.startswith("-") or arg == "-":
                return at
            else:
                name = arg.partition("=")[0]
                if name not in takes_value:
                    raise _no_option(name, takes_value)
                is_value = takes_value[name] and name == arg
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None:
            raise click.UsageError(self.no_command(args[0]), ctx)
        return super().resolve_command(ctx, args)

    def no_command(self, word: str) -> str:
        """What to tell whoever wrote `word` for a command's name."""
        meant = near(word, [*self.commands, *self.aliases])
        hint = f"Did you mean '{meant}'?" if meant else f"There are: {', '.join(sorted(self.commands))}."
        return f"No such command '{word}'. {hint}"

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _masked():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _masked():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_commands(ctx, formatter)
        if self.aliases:
            with formatter.section("Other names"):
                formatter.write_dl([(", ".join(self._aliases_of(name)), name) for name in self._aliased()])

    def _aliased(self) -> list[str]:
        return list(dict.fromkeys(self.aliases.values()))

    def _aliases_of(self, name: str) -> Iterator[str]:
        return (alias for alias, meant in self.aliases.items() if meant == name)


def near(word: str, names: Iterable[str]) -> str | None:
    """The name that `word` is a slip of; None where none is that near. Dashes before them do not count."""
    from difflib import get_close_matches

    bare = {name.lstrip("-"): name for name in names}
    return next((bare[name] for name in get_close_matches(word.lstrip("-"), bare, n=1, cutoff=_NEAR)), None)


def _no_option(name: str, names: Iterable[str], ctx: click.Context | None = None) -> click.UsageError:
    meant = near(name, names)
    return click.UsageError(f"No such option: {name}.{f' Did you mean {meant}?' if meant else ''}", ctx)


def _options(command: click.Command) -> Iterator[tuple[str, bool]]:
    """The names of all options of `command` and below it, and whether a value follows."""
    yield from (("--help", False), ("-h", False), ("--", False))
    for param in command.params:
        if isinstance(param, click.Option):
            yield from ((name, not param.is_flag) for name in (*param.opts, *param.secondary_opts))
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from _options(inner)


@contextmanager
def _masked() -> Iterator[None]:
    """What a usage error repeats of the command line may be a token in the wrong place."""
    try:
        yield
    except click.NoSuchOption as error:
        raise _no_option(error.option_name, error.possibilities or (), error.ctx) from None
    except click.ClickException as error:
        error.__dict__["message"] = masked(error.message)  # final to the type checker only
        raise
