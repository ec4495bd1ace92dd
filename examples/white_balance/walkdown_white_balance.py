"""A step for walkdown in some twenty lines: all photographs in the same light."""

from dataclasses import replace

import numpy as np

from walkdown.types import Photo, Prediction


class WhiteBalance:
    """Each colour is scaled so that its mean is the same (the grey-world assumption)."""

    def __init__(self, *, mean: float = 128.0) -> None:
        self._mean = mean

    def before(self, photo: Photo) -> Photo:
        means = photo.pixels.mean(axis=(0, 1))
        balanced = photo.pixels * (self._mean / np.maximum(means, 1.0))
        return replace(photo, pixels=balanced.clip(0, 255).astype(np.uint8), data=b"")

    def after(self, prediction: Prediction, photo: Photo) -> Prediction:
        return prediction
