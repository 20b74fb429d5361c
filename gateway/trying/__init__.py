"""Trying things on one machine: a downstream, a provider, and both together."""
