"""Runs the command line for `python -m chat2response`."""

from chat2response.cli import main

if __name__ == "__main__":
    main()
