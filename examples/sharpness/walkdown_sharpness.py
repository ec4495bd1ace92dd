"""A model for walkdown in some thirty lines: is a photograph sharp enough to be inspected?"""

from walkdown.types import ModelInfo, Photo, Prediction, Verdict


class Sharpness:
    """How much neighbouring pixels differ (deviation of the Laplacian, of 255 grey levels)."""

    def __init__(self, artefact, *, label: str) -> None:
        self.info = ModelInfo(label, artefact.digest, input_px=1024)
        self._at_least = float(artefact.card["at_least"])

    def predict(self, photos: list[Photo]) -> list[Prediction]:
        return [self._look(photo) for photo in photos]

    def _look(self, photo: Photo) -> Prediction:
        grey = photo.pixels.mean(axis=2)
        if min(grey.shape) < 3:
            return Prediction(None, None, None, error="it is too small to tell")
        beside = grey[1:-1, :-2] + grey[1:-1, 2:] + grey[:-2, 1:-1] + grey[2:, 1:-1]
        sharpness = float((beside - 4.0 * grey[1:-1, 1:-1]).std())
        verdict = Verdict.NORMAL if sharpness >= self._at_least else Verdict.UNUSABLE
        return Prediction(verdict, score=None, raw_score=sharpness)
