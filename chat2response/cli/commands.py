"""The top-level commands and their options."""

from typing import Any

import click

from chat2response.cli import options
from chat2response.cli.audit import audit
from chat2response.cli.config import check_config, settings_command
from chat2response.cli.errors import EXIT_CODES, report_errors
from chat2response.cli.keys.commands import keys
from chat2response.cli.option_anywhere import OptionAnywhereGroup
from chat2response.server.gc_pause import gc_pause
from chat2response.server.start_options import StartOptions

DEFAULT = "start"


class Commands(OptionAnywhereGroup):
    """The group of all commands; `start` runs if no command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if self.command_index(args) is None:
            eager = [arg for arg in args if arg in ("--help", "-h", "--version")]
            args = eager or [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def unknown_command_message(self, name: str) -> str:
        from chat2response.cli.unknown_command import explain

        return explain(name, self.commands, self.aliases, DEFAULT)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        shared = [param.get_help_record(ctx) for param in self.commands[DEFAULT].params]
        with formatter.section("Command options (before or after the command's name)"):
            formatter.write_dl([record for record in shared if record is not None])


def _version(ctx: click.Context, param: click.Parameter, requested: bool) -> None:
    if requested:
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
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version."
)
def cli() -> None:
    """A gateway between OpenAI's Chat Completions and Responses APIs, with its own API keys.

    Settings are environment variables or lines of a .env file. `chat2response settings` lists them.
    """


@cli.command()
@options.serving
@options.workers
def start(**params: Any) -> None:
    """Serve until stopped. This is the default command.

    SIGTERM lets running calls finish, for at most CHAT2RESPONSE_DRAIN_SECONDS. A second SIGTERM ends them.
    """
    with report_errors():
        with gc_pause():
            from chat2response.cli.start import start as run

        run(StartOptions(**params))


@cli.command()
@options.serving
def demo(**params: Any) -> None:
    """Serve the built-in demo model, issue a key, show a converted call, and keep serving."""
    with report_errors():
        with gc_pause():
            from chat2response.cli.demo import demo as run

        run(StartOptions(**params))


cli.add_command(keys)
cli.add_command(audit)
cli.add_command(check_config)
cli.add_command(settings_command)
