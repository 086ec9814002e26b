"""Mutation run: one small change of the code after another, and whether a test fails.

Run: python -m tests.mutation --seed 0 --per-package 44

- mutants: The changes that are tried, and lists of them as text.
- runner: Runs the tests of a changed module in a forked process, over a copy of the repository.
- equivalent.txt: Mutants that were looked at and change nothing that a caller can see, with the reason.
"""
