"""What of a deployed stack only a real account can prove: `python -m walkdown.aws.check --stack X`.

A check asks AWS and says whether it passed, failed or was skipped, and why. Nothing is changed but
by the checks of `live`, each of which runs only when it was asked for.
"""
