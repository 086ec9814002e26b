"""What every implementation of a kind must do, whichever it is: quantizers, stop rules, trial queues, energy meters.

Whoever adds one registers it in the file of its kind, where it is not found by itself, and gets these tests.
"""
