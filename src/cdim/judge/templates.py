"""The Jinja environment of every page, card and picture that cdim writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def render(
    package: str,
    template: str,
    filters: Mapping[str, Callable[..., str]] | None = None,
    **values: Any,
) -> str:
    """A template filled in; a value that is missing is an error.

    Args:
        package: where it lies, such as "cdim.judge".
        template: its file name; all but Markdown is escaped for HTML.
        filters, values: the template's own filters, and what it shows.
    """
    import jinja2  # here, so that verbs without pages start faster

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package, "."),
        autoescape=not template.endswith(".md.j2"),  # noqa: S701 - Markdown has its own filter
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(filters or {})
    return environment.get_template(template).render(**values)
