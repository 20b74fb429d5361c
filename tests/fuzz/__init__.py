"""Coverage-guided fuzzing of every adapter: `python -m tests.fuzz --seconds 60`."""
