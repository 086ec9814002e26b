"""Adding up again what a run recorded.

Start at `checks.check_run`.

- checks: Adds up again what a run recorded.
- compare: Comparing figures that should agree: one rule, many places, and where it does not hold.
- findings: What an audit found about a run, as plain figures.
- inference: Adds up again what measuring deployed networks recorded.
- tables: What an audit reads of a run.
- text: The figures of audits as text, and as JSON.
"""
