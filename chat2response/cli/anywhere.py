"""A group of commands whose options may stand before or after the command's name."""

from collections.abc import Iterator

import click

from chat2response.cli.explained import EXIT_CODES


class Anywhere(click.Group):
    """`group --option value name` is `group name --option value`. Every help ends with the exit codes."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Adds a command, or a group of them."""
        cmd.epilog = EXIT_CODES
        super().add_command(cmd, name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = self.name_at(args)
        if at is not None:
            args = [args[at], *args[:at], *args[at + 1 :]]
        return super().parse_args(ctx, args)

    def name_at(self, args: list[str]) -> int | None:
        """Where the first word is that is neither an option nor an option's value."""
        taking_a_value = set(_taking_a_value(self))
        is_value = False
        for at, arg in enumerate(args):
            if not is_value and not arg.startswith("-"):
                return at
            is_value = not is_value and arg in taking_a_value
        return None


def _taking_a_value(command: click.Command) -> Iterator[str]:
    """The names of all options below `command` that a value follows."""
    for param in command.params:
        if isinstance(param, click.Option) and not param.is_flag:
            yield from param.opts
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from _taking_a_value(inner)
