"""The operating system's errors in the words of a person who looks at a folder."""

from __future__ import annotations

import errno

_WORDS = {
    errno.ENOENT: "it does not exist",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.EROFS: "the disk is read-only",
    errno.ENOSPC: "the disk is full: make room and run again",
    errno.EDQUOT: "your disk quota is used up: make room and run again",
    errno.EIO: "the disk or the network drive failed while it was read or written",
    errno.ESTALE: "the network drive was disconnected",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "a part of its path is a file, not a folder",
    errno.ELOOP: "its symbolic links go in a circle",
    errno.ENAMETOOLONG: "its name is too long",
    errno.EMFILE: "too many files are open: close programs or raise the limit (ulimit -n)",
    errno.ENFILE: "too many files are open on this machine",
}


def reason(error: OSError) -> str:
    """Why it failed, without the path: the caller knows what it was about."""
    known = _WORDS.get(error.errno or 0)
    return known or (error.strerror or str(error) or type(error).__name__).lower()
