"""Takes as files and pictures."""
