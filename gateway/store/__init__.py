"""Where receipts, events and deliveries are kept. `base` is the port; each engine is a module beside it."""
