"""Measures of sound that need no weights: published onset scores, mel-cepstral distortion."""
