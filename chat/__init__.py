"""The product around the guard: the page, the store, the routes."""

from . import quick_gradio

__version__ = "0.1.0"

quick_gradio.install()
