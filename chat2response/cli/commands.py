"""The commands and their options."""

from typing import Any

import click

from chat2response.cli import options
from chat2response.cli.audit import audit
from chat2response.cli.config import check_config, settings_command
from chat2response.cli.errors import EXIT_CODES, explained
from chat2response.cli.keys.commands import keys
from chat2response.cli.option_anywhere import Anywhere
from chat2response.server.gc_pause import loading
from chat2response.server.start_options import Choices

DEFAULT = "start"


class Commands(Anywhere):
    """Without a name the command is `start`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if self.name_at(args) is None:
            own = [arg for arg in args if arg in ("--help", "-h", "--version")]
            args = own or [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def no_command(self, word: str) -> str:
        from chat2response.cli.unknown_command import explain

        return explain(word, self.commands, self.aliases, DEFAULT)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        shared = [param.get_help_record(ctx) for param in self.commands[DEFAULT].params]
        with formatter.section("Options of the commands, before or after the name"):
            formatter.write_dl([record for record in shared if record is not None])


def _version(ctx: click.Context, param: click.Parameter, asked: bool) -> None:
    if asked:
        from chat2response.compose import package_version

        click.echo(f"chat2response {package_version()}")
        ctx.exit()


@click.group(
    cls=Commands,
    epilog=EXIT_CODES,
    aliases={"serve": DEFAULT, "run": DEFAULT},
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show it."
)
def cli() -> None:
    """A gateway between OpenAI's two APIs, Chat Completions and Responses, with API keys in front.

    Settings are environment variables, or lines of a .env file; `chat2response settings` lists them.
    """


@cli.command()
@options.serving
@options.workers
def start(**given: Any) -> None:
    """Serve until told to stop. This is the default command.

    SIGTERM lets running calls finish, for CHAT2RESPONSE_DRAIN_SECONDS at most; a second one ends them.
    """
    with explained():
        with loading():
            from chat2response.cli.start import start as run

        run(Choices(**given))


@cli.command()
@options.serving
def demo(**given: Any) -> None:
    """Serve the built-in demo model, issue a key and show a bridged call; then stay up."""
    with explained():
        with loading():
            from chat2response.cli.demo import demo as run

        run(Choices(**given))


cli.add_command(keys)
cli.add_command(audit)
cli.add_command(check_config)
cli.add_command(settings_command)
