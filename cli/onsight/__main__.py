"""`python -m onsight`: the command, also where its script is not on the PATH."""

from onsight.main import main

main()
