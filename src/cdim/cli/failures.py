"""How failures look on the command line: one line on stderr and an exit code, no traceback.

2: the input cannot work, 1: a check found errors, 130: stopped by Ctrl-C.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from cdim.cli.printing import say
from cdim.errors import CdimError, nearest

STOPPED = "stopped"


class Verb(click.Command):
    """A command whose errors name the option that cures them."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; adds the option to an error that names its parameter."""
        try:
            return super().invoke(ctx)
        except CdimError as error:
            for option in self.params:
                if option.name == error.argument and isinstance(option, click.Option):
                    error.todo += f" ({max(option.opts, key=len)})"
            raise


class VerbGroup(click.Group):
    """A group of such commands."""

    command_class = Verb

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb of a command line; an unknown one names the nearest."""
        verbs = self.list_commands(ctx)
        if args[0] not in verbs and not args[0].startswith("-"):
            raise click.UsageError(f"there is no verb {args[0]!r}; {nearest(args[0], verbs)}", ctx)
        return super().resolve_command(ctx, args)


@contextmanager
def one_line() -> Iterator[None]:
    """Turns every expected failure inside into its line and exit code."""
    try:
        yield
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        raise SystemExit(2) from None
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        where = f"; see: {context.command_path} --help" if context else ""
        _fail(error.format_message().rstrip(".") + where)
    except click.Abort as error:
        say(str(error) or STOPPED, err=True)
        raise SystemExit(130) from None
    except CdimError as error:
        _fail(str(error))
    except (MemoryError, RuntimeError) as error:
        # PyTorch says MemoryError as a RuntimeError of these words, on CPUs and GPUs.
        said = any(words in str(error) for words in ("not enough memory", "out of memory"))
        if not (said or isinstance(error, MemoryError)):
            raise
        _fail("out of memory; the work does not fit; use a smaller batch or fewer images")
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        _fail(_system_message(error))


@contextmanager
def stoppable(words: str) -> Iterator[None]:
    """Ctrl-C inside says what is safe, and how to continue."""
    try:
        yield
    except KeyboardInterrupt:
        raise click.Abort(f"{STOPPED}; {words}") from None


def _system_message(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" for {error.filename}" if error.filename else ""
        return f"the disk is full{where}; saved files are safe; free some space and run again"
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or type(error).__name__}{where}; check the path and its permissions"


def _fail(message: str) -> NoReturn:
    say("error: " + " ".join(message.split()), err=True)
    sys.exit(2)
