"""Images in and out: files become upright 8-bit RGB, heat maps become PNGs, boxes and overlays.

Pure functions from bytes or arrays to values. This package opens no file, keeps no state, and
knows nothing of models, stores or pipelines.
"""
