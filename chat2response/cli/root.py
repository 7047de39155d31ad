"""The commands and their options."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from chat2response.cli.choices import CannotStart, Choices

DEFAULT = "start"
WRONG_SETTINGS, CANNOT_START = 2, 3


class Commands(click.Group):
    """Options may stand before or after the command's name, and without a name the command is `start`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = self._name_at(args)
        if at is not None:
            args = [args[at], *args[:at], *args[at + 1 :]]
        else:
            own = [arg for arg in args if arg in ("--help", "--version")]
            args = own or [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands:
            names = ", ".join(sorted(self.commands))
            raise click.UsageError(
                f"'{args[0]}' is not a command. There are: {names} (without one: {DEFAULT}); "
                "everything else is said by options and settings.",
                ctx,
            )
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        shared = [param.get_help_record(ctx) for param in self.commands[DEFAULT].params]
        with formatter.section("Options of the commands, before or after the name"):
            formatter.write_dl([record for record in shared if record is not None])

    def _name_at(self, args: list[str]) -> int | None:
        """Where the first word is that is neither an option nor an option's value."""
        is_value = False
        for at, arg in enumerate(args):
            if not is_value and not arg.startswith("-"):
                return at
            is_value = not is_value and arg in self._taking_a_value()
        return None

    def _taking_a_value(self) -> set[str]:
        params = [param for command in self.commands.values() for param in command.params]
        return {name for param in params if isinstance(param, click.Option) for name in param.opts}


def _version(ctx: click.Context, param: click.Parameter, asked: bool) -> None:
    if asked:
        from chat2response.compose import package_version

        click.echo(f"chat2response {package_version()}")
        ctx.exit()


@click.group(cls=Commands)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show it."
)
def cli() -> None:
    """A gateway between OpenAI's two APIs, Chat Completions and Responses, with API keys in front.

    Settings are environment variables, or lines of a .env file; the README lists them.
    """


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """What every command that serves can be told."""
    for option in (
        click.option(
            "--env-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="A file of settings, in place of ./.env; the environment wins over it.",
        ),
        click.option(
            "--keys-backend",
            metavar="memory|sqlite:PATH|redis://...",
            help="Where keys are kept, in place of CHAT2RESPONSE_REDIS_URL and CHAT2RESPONSE_SQLITE_PATH. "
            "Also rediss:// (TLS) and unix:// (socket).",
        ),
        click.option("--bind", metavar="HOST:PORT", help="Where to listen, in place of BIND_ADDR."),
    ):
        command = option(command)
    return command


@cli.command()
@_options
def start(**options: Any) -> None:
    """Serve until told to stop. This is the default command.

    SIGTERM lets running calls finish, for CHAT2RESPONSE_DRAIN_SECONDS at most; a second one ends them.
    """
    with _explained():
        from chat2response.cli.start import start as run

        run(Choices(**options))


@cli.command()
@_options
def demo(**options: Any) -> None:
    """Serve the built-in demo model, issue a key and show a bridged call; then stay up."""
    with _explained():
        from chat2response.cli.demo import demo as run

        run(Choices(**options))


@contextmanager
def _explained() -> Iterator[None]:
    """What an operator can mend is said in a line, without a traceback."""
    from chat2response.api.admin_token import AdminTokenError
    from chat2response.settings import SettingsError
    from chat2response.stores import CannotOpen

    try:
        yield
    except SettingsError as error:
        _end(error, WRONG_SETTINGS)
    except (AdminTokenError, CannotOpen, CannotStart) as error:
        _end(error, CANNOT_START)


def _end(error: Exception, code: int) -> None:
    click.echo(f"chat2response: {error}", err=True)
    raise SystemExit(code)
