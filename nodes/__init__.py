"""What an artist sees in ComfyUI: schemas and wiring, no tensor mathematics."""
