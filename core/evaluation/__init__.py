"""Measures of sound that need no weights: onsets, mel-cepstral distortion, distances, matching."""
