"""Exit codes of the command line."""

DONE = 0
TRIAL_FAILED = 1
BAD_INPUT = 2
INTERRUPTED = 130
