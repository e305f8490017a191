"""onsight beside what a user would pick instead, and beside its own other backends."""
