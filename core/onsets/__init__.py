"""When something is struck in a sound, and which of two lists of times belong together."""
