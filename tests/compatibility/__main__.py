"""`python -m tests.compatibility freeze VERSION`"""

from __future__ import annotations

import argparse

from tests.compatibility import freeze

parser = argparse.ArgumentParser(prog="python -m tests.compatibility", description="Keep schemas of releases.")
parser.add_argument("command", choices=["freeze"])
parser.add_argument("version", help="such as 0.1.0")
arguments = parser.parse_args()
try:
    print(freeze(arguments.version))
except FileExistsError:
    parser.exit(1, f"version {arguments.version} is frozen already, and what was released does not change\n")
