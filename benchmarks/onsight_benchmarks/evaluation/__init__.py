"""Honest evaluation: what `onsight val` measures beyond a share of right answers, and the page that shows it."""
