"""walkdown in an AWS account: what the functions there run, and the command that sets them up.

Handlers and the deploy command turn events and arguments into calls of the use cases; they decide
nothing themselves, and no other part of walkdown imports them.
"""
