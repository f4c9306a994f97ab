"""`python -m foleystage` is the command `foleystage`."""

from .cli import main

raise SystemExit(main())
