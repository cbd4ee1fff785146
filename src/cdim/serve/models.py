"""What requests bring and answers give, as JSON."""

from __future__ import annotations

from base64 import b64encode
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

from pydantic import (
    AfterValidator,
    Base64Bytes,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

from cdim.find.items import Like
from cdim.serve.limits import MAX_HITS, MAX_ID, MAX_NAMES, MAX_STROKES, MAX_VIEWS


def _id(given: str) -> str:
    """Ids are parts of URLs, where "." and ".." mean folders."""
    if given in (".", "..") or any(ord(letter) < 32 for letter in given):
        raise ValueError('an id is not "." or "..", and has no control characters')
    return given


ItemId = Annotated[str, Field(min_length=1, max_length=MAX_ID), AfterValidator(_id)]
FieldName = Annotated[str, Field(min_length=1, max_length=200)]


def _few(given: Any) -> Any:
    """Each wrong field of an object is an error of its own, and all are found at once."""
    if isinstance(given, dict) and len(given) > MAX_NAMES:
        raise ValueError(f"an object has at most {MAX_NAMES:,} fields")
    return given


Metadata = Annotated[
    dict[FieldName, Any],
    BeforeValidator(_few),
    Field(description="Field to text, finite number, true or false."),
]


def _without_head(given: Any) -> Any:
    """The base64 of a data URL; anything else as it is."""
    if not isinstance(given, str) or given[:5].lower() != "data:":
        return given
    head, comma, data = given.partition(",")
    if not comma:
        raise ValueError("a data URL has a comma before its content")
    content = unquote_to_bytes(data)
    return content if head.lower().endswith(";base64") else b64encode(content)


ImageFile = Annotated[Base64Bytes, BeforeValidator(_without_head)]
Lines = Annotated[list[Any], Field(min_length=1, max_length=MAX_STROKES)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    _few = model_validator(mode="before")(_few)


_SOURCE = "Where its image is, without the token the file's name; empty for one that was uploaded."
_CANVAS = "Of the canvas, as in files of drawings; drawings are centred, so it changes nothing."


class QueryView(_Strict):
    """One view of what is searched for: strokes, an image, or an item of the gallery."""

    strokes: Lines | None = Field(
        None,
        description="A drawing: strokes in order, each of points [x, y], y downwards, or of "
        "columns [[x, ...], [y, ...]]. Pressure and time may follow.",
    )
    drawing: Lines | None = Field(
        None, description="The same in Quick, Draw!'s form: columns where both would fit."
    )
    width: FiniteFloat | None = Field(None, description=_CANVAS)
    height: FiniteFloat | None = Field(None, description=_CANVAS)
    image: ImageFile | None = Field(
        None, description="An image file, or a file of a drawing, in base64 or as a data URL."
    )
    domain: str | None = Field(
        None, description="Of the image, such as photo or sketch; without it, it is guessed."
    )
    id: str | None = Field(None, description="An item of the gallery: more like this.")

    @model_validator(mode="after")
    def _one_thing(self) -> QueryView:
        names = ("strokes", "drawing", "image", "id")
        if sum(getattr(self, name) is not None for name in names) != 1:
            raise ValueError(f"a view has one of {', '.join(names)}")
        if self.domain is not None and self.image is None:
            raise ValueError("only images have a domain: strokes are sketches, items are known")
        return self

    def source(self) -> Any:
        """What `Gallery.search` takes."""
        if self.id is not None:
            return Like(self.id)
        if self.image is not None:
            return self.image
        return self.strokes if self.drawing is None else {"drawing": self.drawing}


class SearchRequest(_Strict):
    """A search."""

    query: Annotated[list[QueryView], Field(max_length=MAX_VIEWS)] = Field(
        [], description="Views of one thing; their embeddings are averaged."
    )
    weights: list[Annotated[float, Field(ge=0, le=1e6)]] | None = Field(
        None, max_length=MAX_VIEWS, description="How much each view counts; equal without."
    )
    k: Annotated[int, Field(ge=1, le=MAX_HITS)] = Field(20, description="Most hits.")
    where: dict[str, Any] | None = Field(
        None,
        description="Filter: field to value, list of values, or range {gt, gte, lt, lte}.",
    )
    rerank: bool = Field(False, description="Re-rank by k-reciprocal neighbours.")
    expand: Annotated[int, Field(ge=0, le=100)] = Field(
        0, description="Average the query with this many of its nearest and search again."
    )
    false_match_rate: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="Only hits this sure: the share of absent things that are matched."
    )


class HitAnswer(BaseModel):
    """One item that was found."""

    id: str
    distance: float
    probability: float | None = Field(description="That it is the same instance; null: unknown.")
    metadata: dict[str, Any]
    source: str = Field(description=_SOURCE)


class SearchAnswer(BaseModel):
    """What a search found, nearest first."""

    searched: int = Field(description="Items that passed the filter.")
    distances: str = Field(description="What the distances are, in words.")
    taken: list[str] = Field(description="The domains of the views.")
    present: float | None = Field(description="Probability that it is in the gallery at all.")
    probably_absent: bool
    hits: list[HitAnswer]


class Upload(_Strict):
    """An item to add, beside its file."""

    id: ItemId
    metadata: Metadata = Field(default_factory=dict)
    domain: str | None = Field(None, description="Of the image; the gallery's without it.")


class NewItem(Upload):
    """An item to add."""

    image: ImageFile = Field(description="An image file in base64, or as a data URL.")


class Change(_Strict):
    """A change of an item's metadata: fields given are set, fields given as null are removed."""

    metadata: Metadata


class ItemAnswer(BaseModel):
    """One item."""

    id: str
    metadata: dict[str, Any]
    source: str = Field(description=_SOURCE)


class ItemsAnswer(BaseModel):
    """A page of the list."""

    items: list[ItemAnswer]
    after: str | None = Field(description="What to ask the next page with; null at the end.")


class FacetValue(BaseModel):
    """A value of a field."""

    value: StrictBool | StrictInt | StrictFloat | StrictStr
    count: int


class Facet(BaseModel):
    """A field that items can be filtered by."""

    field: str
    kind: str = Field(description="value, number or date.")
    values: list[FacetValue] = Field(
        description="The most frequent ones; none where there are too many."
    )
    low: float | str | None = Field(None, description="The smallest, or first day; null: unknown.")
    high: float | str | None = Field(None, description="The largest, or last day.")


class GalleryAnswer(BaseModel):
    """What is served."""

    name: str
    place: str | None = Field(
        description="The gallery's place; null unless the token may change items."
    )
    items: int
    bundle: str = Field(description="The model's name.")
    fingerprint: str
    dim: int
    domains: list[str]
    query: str = Field(description="The domain of the model's queries.")
    gallery: str = Field(description="The domain of the items.")
    calibrated: bool = Field(description="Whether hits have probabilities.")
    may_write: bool = Field(description="Whether the token of this request may change items.")
    max_bytes: int = Field(description="Most bytes of a request.")
