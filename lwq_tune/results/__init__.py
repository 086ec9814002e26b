"""The tables that lwq_tune writes and analysis reads."""
