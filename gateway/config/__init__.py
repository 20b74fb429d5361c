"""Configuration. `load_config` reads a file and those it includes, and says all that is wrong at once."""

from gateway.config.destination import Batch, Destination, Retry
from gateway.config.errors import ConfigError, Problem
from gateway.config.load import load_config
from gateway.config.model import Admin, Config, Limits, Retention, Source, Tenant
from gateway.config.values import DEVELOPMENT_SECRET, Address, StoreUrl

__all__ = [
    "DEVELOPMENT_SECRET",
    "Address",
    "Admin",
    "Batch",
    "Config",
    "ConfigError",
    "Destination",
    "Limits",
    "Problem",
    "Retention",
    "Retry",
    "Source",
    "StoreUrl",
    "Tenant",
    "load_config",
]
