"""The program's version, from what is installed."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("wa-gateway")
except PackageNotFoundError:  # run from a tree that is not installed
    VERSION = "0.0.0"
