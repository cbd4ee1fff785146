"""Every error cdim raises on purpose.

    CdimError
    ├── UsageError      an argument or option has a value that cannot work
    ├── DataError       a dataset, manifest, annotation or folder is wrong
    │   └── ImageError  one image cannot be read or drawn
    ├── RecipeError     a training recipe is wrong
    ├── ModelError      a run, checkpoint or bundle is missing, damaged or does not fit
    ├── GalleryError    a gallery is missing, damaged, in use, or of another model
    ├── TrainingError   training cannot continue (a loss that is not a number, a full disk)
    └── MissingExtra    an optional part of cdim is not installed

Each is built from three parts: what was given, what is allowed, and what to do
next. Where another value of one parameter is the cure, `argument` names it. The
command line prints all of it as one line, with the parameter's option, and exits with code 2.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager


class CdimError(Exception):
    """Base of all errors raised on purpose.

    Args:
        given: what was found or given, in words.
        allowed: what would have been right.
        todo: what the reader should do next.
        argument: the parameter to change, by its Python name; "" for none.
    """

    def __init__(self, given: str, allowed: str, todo: str, argument: str = "") -> None:
        self.given = given
        self.allowed = allowed
        self.todo = todo
        self.argument = argument
        super().__init__(given, allowed, todo)

    def __str__(self) -> str:
        return f"{self.given}; {self.allowed}; {self.todo}"


class UsageError(CdimError):
    """An argument or option has a value that cannot work."""


class DataError(CdimError):
    """A dataset, manifest, annotation or folder is wrong."""


class ImageError(DataError):
    """One image cannot be read or drawn."""


class RecipeError(CdimError):
    """A training recipe is wrong."""


class ModelError(CdimError):
    """A run, checkpoint or bundle is missing, damaged or does not fit."""


class GalleryError(CdimError):
    """A gallery is missing, damaged, in use, or of another model."""


class TrainingError(CdimError):
    """Training cannot continue."""


class MissingExtra(CdimError):
    """An optional part of cdim is not installed."""


def nearest(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """Ends a message about a wrong name: the nearest right one, if one is near.

    If none is, it says what to do `otherwise`; without that, it lists all.

    >>> nearest("marign", ["margin", "batch"])
    "did you mean 'margin'?"
    >>> nearest("xyz", ["margin", "batch"])
    'use one of: batch, margin'
    """
    names = sorted(known)
    match = difflib.get_close_matches(word, names, n=1)
    listed = otherwise or f"use one of: {', '.join(names)}"
    return f"did you mean {match[0]!r}?" if match else listed


def unknown(kind: str, word: str, known: Sequence[str]) -> UsageError:
    """The error of a wrong name of some kind of thing.

    >>> str(unknown("pooling", "maximun", ["average", "maximum"]))
    "pooling 'maximun'; known are average, maximum; did you mean 'maximum'?"
    """
    return UsageError(f"{kind} {word!r}", f"known are {', '.join(known)}", nearest(word, known))


def first_line(error: BaseException) -> str:
    r"""What another library's error says, in one line.

    >>> first_line(ValueError("too many values\nat line 3")), first_line(KeyError())
    ('too many values', 'KeyError')
    """
    return (str(error).splitlines() or [type(error).__name__])[0]


def printable(text: object) -> str:
    r"""A text on one line, without what a terminal would obey: names of files may hold anything.

    >>> printable("a\x1b[2J\nb")
    'a\\x1b[2J\\nb'
    """

    def shown(c: str) -> str:
        return c if c.isprintable() or unicodedata.category(c) == "Zs" else ascii(c)[1:-1]

    return "".join(map(shown, str(text)))


def plural(number: int, word: str, words: str = "") -> str:
    """`1 image`, `2 images`, `2,000 images`."""
    return f"{number:,} {word if number == 1 else words or word + 's'}"


@contextmanager
def training_extra() -> Iterator[None]:
    """Turns a missing PyTorch, or a part of its family, into the line that installs it.

    Raises:
        MissingExtra: something of cdim[train] is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "cdim":
            raise
        raise MissingExtra(
            f"{error.name} is not installed",
            "training and runs need PyTorch and its family, the extra [train]",
            "pip install 'cdim[train]'; in a clone of the repository: pip install '.[train]'",
        ) from None
