"""The charts of a comparison as inline SVG, each with its figures as a table."""
