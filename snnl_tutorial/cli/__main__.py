"""`python -m snnl_tutorial.cli` is `snnl`."""

from snnl_tutorial.cli import main

main()
