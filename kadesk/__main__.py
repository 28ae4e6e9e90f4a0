"""`python -m kadesk`."""

from kadesk.cli import main

main()
