"""`onsight tune`: which variant, in which runtime, with how many threads is fastest on this device."""
