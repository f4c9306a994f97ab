"""Encoders: what a video, a text or a sound is like, as streams of features."""
