import threading
import warnings
from types import ModuleType

import pytest

from walkdown.imaging.quiet import quiet

PILLOW = ModuleType("PIL.Pretended")
exec("import warnings\ndef warn(): warnings.warn('odd file')", PILLOW.__dict__)  # noqa: S102


def warn_as_pillow() -> None:
    PILLOW.warn()


def test_warnings_of_pillow_are_dropped_inside_and_only_there() -> None:
    with quiet():
        warn_as_pillow()
        with quiet():
            pass
        warn_as_pillow()
    with pytest.warns(UserWarning, match="odd file"):
        warn_as_pillow()


def test_warnings_of_others_come_through() -> None:
    with quiet(), pytest.warns(UserWarning, match="mine"):
        warnings.warn("mine", stacklevel=1)


def test_a_filter_that_was_put_before_does_not_win() -> None:
    with quiet():
        pass
    warnings.simplefilter("error")
    with quiet():
        warn_as_pillow()


def test_other_threads_hear_theirs_meanwhile() -> None:
    heard: list[str] = []

    def other() -> None:
        try:
            warn_as_pillow()
        except UserWarning as err:
            heard.append(str(err))

    with quiet():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert heard == ["odd file"]


def test_the_filters_do_not_pile_up() -> None:
    with quiet():
        pass
    count = len(warnings.filters)
    for _ in range(5):
        warnings.simplefilter("error", append=False)
        with quiet():
            pass
    assert len(warnings.filters) <= count + 1
