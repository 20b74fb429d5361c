"""The command line: `main` is `wa-gateway`. One module per command, each offering `command`."""

from gateway.cli.program import main

__all__ = ["main"]
