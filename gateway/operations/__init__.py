"""What operators do, as functions on a session of the store: they print nothing, and know no command line."""
