"""Reads the results tables of lwq_tune: fronts between accuracy and emissions, tables, plots."""
