"""Sending: one attempt, from an event's bytes to the answer."""
