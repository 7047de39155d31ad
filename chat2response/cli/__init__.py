"""The command line. Nothing heavy is loaded before a command runs: `--help` answers at once."""

from chat2response.server.gc_pause import loading


def main() -> None:
    """The console script `chat2response`. Exit codes: 0 done, 1 failed, 2 wrong settings, 3 cannot start."""
    with loading():
        from chat2response.cli.commands import cli

    cli(prog_name="chat2response")
