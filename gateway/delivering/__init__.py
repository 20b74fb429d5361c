"""Delivering: what goes out next, in what order, and what follows from an attempt."""
