"""Clients of other people's services, made when first used, and their errors in our words.

Importing this package loads no SDK; nothing here knows what walkdown does with a service.
"""
