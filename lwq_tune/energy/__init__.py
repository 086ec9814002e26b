"""Measurement windows over the energy of a host."""
