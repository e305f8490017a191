"""The parity waterfall's times, its page and its record."""
