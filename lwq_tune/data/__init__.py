"""Image sets in memory: sources, split, batches."""
