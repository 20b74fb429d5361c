"""`python -m gateway` is `wa-gateway`."""

from gateway.cli import main

main()
