"""How well adapters do on a directory of payloads: `python -m tests.conformance DIR`."""
