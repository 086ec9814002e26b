"""The documentation: its commands, links, Python and paths are those of the code."""
