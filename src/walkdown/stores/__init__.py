"""Where things are kept: one module per kind of store behind the ports; knows no model or pipeline.

Importing this package loads nothing: `wiring` imports the adapter that the settings name.
"""
