"""`python -m guard`: the commands of the guard, and of what serves it to others.

An entry, as `app.py` is: it alone puts both houses together.
"""

from __future__ import annotations

if __name__ == "__main__":
    from chat import commands

    from .cli import app, main

    commands.add_to(app)
    main()
