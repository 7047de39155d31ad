"""The command line. Nothing heavy is loaded before a command runs: `--help` answers at once."""

import gc


def main() -> None:
    """The console script `chat2response`. Exit codes: 0 done, 1 failed, 2 wrong settings, 3 cannot start."""
    # What modules build as they load stays: looking it through for garbage is a tenth of the start.
    gc.set_threshold(20_000, 50, 100)
    from chat2response.cli.root import cli

    cli(prog_name="chat2response")
