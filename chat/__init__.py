"""The product around the guard: the page, the store, the routes."""

__version__ = "0.1.0"
