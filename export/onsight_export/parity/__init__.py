"""Parity: a network and every file made of it, step beside step; where one breaks, which layer does."""
