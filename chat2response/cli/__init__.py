"""The command line: commands and their options. The server process lives in `server/`.

Heavy modules load only when a command runs, so that `--help` answers at once.
"""

from chat2response.server.gc_pause import gc_pause


def main() -> None:
    """Runs the console script `chat2response`. Exit codes: see `cli.errors`."""
    with gc_pause():
        from chat2response.cli.commands import cli

    cli(prog_name="chat2response")
