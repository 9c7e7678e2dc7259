"""`python -m transport.cli`: the `holdfast` command without its script."""

from . import main

main(prog_name="holdfast")
