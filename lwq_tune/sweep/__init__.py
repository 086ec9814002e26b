"""Search spaces and their execution on Ray Tune."""
