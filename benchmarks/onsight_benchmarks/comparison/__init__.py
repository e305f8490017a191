"""`onsight compare`: latency records beside each other, as a table, JSON and one HTML page."""
