"""``python -m homeward.client``: the ``homeward`` command."""

from .command import main

main()
