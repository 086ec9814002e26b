"""Bit-width schedules, quantizers and the conversion of a float network."""
