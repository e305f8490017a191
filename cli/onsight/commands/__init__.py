"""One module a verb, imported only when that verb runs. Each holds a click command named `command`."""
