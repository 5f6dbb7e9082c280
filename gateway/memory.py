"""The garbage collector of a process that answers within a millisecond."""

from __future__ import annotations

import gc

_THRESHOLDS = (50_000, 10, 10)
"""Objects (net) between collections of the youngest, and how many of these make one of the next. A message makes some
hundred objects that reference counts free; the default of 700 would look at the youngest several times per frame."""


def freeze() -> None:
    """Once all is built: what is alive now (modules, descriptors, handlers) stays, and is not looked at again.

    A full collection over it takes 10 ms and more, during which nobody is answered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
