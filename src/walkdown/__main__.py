"""`python -m walkdown` is the command `walkdown`."""

from walkdown.cli import main

main()
