"""From photographs to a model artefact: backbones, fitting, export.

May import models and everything below; never runners, use cases or entry points.
"""
