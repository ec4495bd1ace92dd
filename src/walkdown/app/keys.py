"""Names of blobs that more than one use case must agree on; each is made from what it holds."""


def image_key(content: str) -> str:
    """Where the bytes of an image with this sha256 are stored.

    >>> image_key("ab12")
    'images/ab/ab12'
    """
    return f"images/{content[:2]}/{content}"
