"""The use cases, one function each: every entry point calls these and nothing below them.

They get their adapters, their clock and their randomness as arguments, and never make them.
"""
