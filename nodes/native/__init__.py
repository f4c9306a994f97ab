"""The one place that subclasses ComfyUI's model, latent and guider classes."""
