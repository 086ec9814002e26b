"""The commands of `python -m lwq_tune`: flags to calls to exit codes."""
