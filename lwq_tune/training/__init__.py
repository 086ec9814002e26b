"""One trial from the first to the last epoch, without Ray."""
