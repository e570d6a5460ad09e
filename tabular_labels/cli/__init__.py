"""The command line: commands parse and call, output renders."""
