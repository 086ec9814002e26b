"""Search-space files that are wrong in one place, or written in an unusual but sound way; each knows which."""
