"""Accepting: from a request to a durable receipt, within bounds of size, time, memory and rate."""
