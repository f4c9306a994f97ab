"""Many videos at once: each clip is made once, whatever stops a run, by one process or many."""
