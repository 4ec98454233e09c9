"""``python -m daemon.cli`` is `homelab`."""

from daemon.cli.main import main

main()
