"""walkdown: visual anomaly inspection, with any model plugged in."""

__version__ = "0.1.0"
