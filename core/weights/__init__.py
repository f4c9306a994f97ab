"""Where numbers come from: files that are found, downloaded or bundled."""
