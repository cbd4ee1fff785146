from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdim.errors import UsageError
from cdim.find.filters import OneOf, Range, check_metadata, is_date, number, parse, read, word

VALUES = st.one_of(
    st.booleans(), st.integers(-(2**53), 2**53), st.floats(-1e9, 1e9), st.text(max_size=5)
)


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["category=shoe"], {"category": "shoe"}),
        (["category=shoe,bag"], {"category": ["shoe", "bag"]}),
        (['maker="Smith, Sons",Lee'], {"maker": ["Smith, Sons", "Lee"]}),
        (["price=10"], {"price": [10, "10"]}),
        (["price=10..50"], {"price": {"gte": 10, "lte": 50}}),
        (["price=..5e1"], {"price": {"lte": 50.0}}),
        (["price=-3.."], {"price": {"gte": -3}}),
        (["date=2024-01-01..2024-06-30"], {"date": {"gte": "2024-01-01", "lte": "2024-06-30"}}),
        (["a=b", "c=d=e"], {"a": "b", "c": "d=e"}),
        (["path=../up"], {"path": "../up"}),
        (["dots=.."], {"dots": ".."}),
        (["new=true"], {"new": [True, "true"]}),
        (["empty="], {"empty": ""}),
        ([], {}),
    ],
)
def test_words_of_the_command_line(words, where):
    assert parse(words) == where
    read(where)


@pytest.mark.parametrize("words", [["shoe"], ["=shoe"], ["a=1", "a=2"]])
def test_words_that_are_no_filter(words):
    with pytest.raises(UsageError, match="FIELD=VALUE"):
        parse(words)


@pytest.mark.parametrize(
    "text",
    [
        *("price=10..x", "price=cheap..50", "date=2024-01-01..soon", "price=1..2..3"),
        *("date=2024-13-01..", "date=..2024-02-30", "date=2020-01..2030-12", "price=a..b"),
    ],
)
def test_a_range_with_an_end_that_is_none_is_an_error(text):
    with pytest.raises(UsageError, match="range") as error:
        parse([text])
    field, _, value = text.partition("=")
    assert parse([f'{field}="{value}"']) == {field: value}
    assert f'{field}="{value}"' in error.value.todo


def test_conditions():
    assert read(None) == ()
    assert read({"a": "b", "n": [1, 2.0]}) == (OneOf("a", ('"b"',)), OneOf("n", ("1", "2")))
    assert read({"n": {"gt": 1, "lte": 2.5}}) == (Range("n", {"gt": 1, "lte": 2.5}),)
    assert not read({"n": {"gt": 1}})[0].of_dates


def test_values_of_numpy_are_those_of_python():
    assert read({"n": np.int64(3), "x": [np.float32(0.5)]}) == read({"n": 3, "x": [0.5]})
    assert read({"n": {"gte": np.int64(3)}}) == read({"n": {"gte": 3}})
    table = check_metadata({"n": np.int64(3), "yes": np.bool_(True), "text": np.str_("a")})
    assert {name: type(value) for name, value in table.items()} == {
        "n": int,
        "yes": bool,
        "text": str,
    }


@pytest.mark.parametrize(
    ("ends", "whole"),
    [
        ({"gte": "2024-01-01", "lt": "2024-06-30"}, {"gte": "2024-01-01", "lt": "2024-06-30"}),
        ({"lte": "2024-06-30"}, {"lt": "2024-07-01"}),
        ({"gt": "2023-12-31"}, {"gte": "2024-01-01"}),
        ({"lte": "9999-12-31"}, {"lte": "9999-12-31T23:59:59"}),
        ({"lte": "2024-06-30 12:00"}, {"lte": "2024-06-30T12:00"}),
    ],
)
def test_a_day_counts_as_a_whole(ends, whole):
    condition = read({"date": ends})[0]
    assert condition == Range("date", whole)
    assert condition.of_dates


@pytest.mark.parametrize(
    ("ends", "kept"),
    [
        ({"gt": -1, "gte": 1}, {"gte": 1}),
        ({"gt": 1, "gte": 1, "lt": 2, "lte": 2}, {"gt": 1, "lt": 2}),
        ({"lt": 5, "lte": 4.5}, {"lte": 4.5}),
        ({"gt": "2024-01-02", "gte": "2024-01-01"}, {"gte": "2024-01-03"}),
        ({"gt": "2024-01-02", "gte": "2024-02-01"}, {"gte": "2024-02-01"}),
        ({"lte": "2024-01-02", "lt": "2024-01-02T06:00"}, {"lt": "2024-01-02T06:00"}),
    ],
)
def test_of_two_ends_on_one_side_the_stricter_holds(ends, kept):
    assert read({"a": ends}) == (Range("a", kept),)


@pytest.mark.parametrize(
    "where",
    [
        "category",
        {"a": None},
        {"a": []},
        {"a": [["b"]]},
        {"a": {}},
        {"a": {"above": 3}},
        {"a": {"gte": "cheap"}},
        {"a": {"gte": "2024-13-01"}},
        {"a": {"gte": 1, "lt": "2024-01-01"}},
        {"a": {"gte": True}},
        {"a": {"gte": 2, "lt": 1}},
        {"a": {"gte": "2024-02-01", "lte": "2024-01-30"}},
        {"a": {"gte": float("nan")}},
        {"a": float("inf")},
        {"a": 2**63},
        {"": 1},
        {'a"b': 1},
        {"a\\b": 1},
        {"a": "\udce9"},
        {3: 1},
    ],
)
def test_what_is_no_filter_is_an_error(where):
    with pytest.raises(UsageError):
        read(where)


@pytest.mark.parametrize(
    "metadata", [["a"], {"id": "x"}, {"digest": "x"}, {"a": None}, {"a": [1]}, {"a": float("nan")}]
)
def test_metadata_that_cannot_be_stored(metadata):
    with pytest.raises(UsageError):
        check_metadata(metadata)


def test_metadata_that_can():
    table = {"a b": 1, "price €": 2.5, "new": True, "maker": "Smith, 'Sons'"}
    assert check_metadata(table) == table
    assert check_metadata(None) == {}


@given(VALUES, VALUES)
def test_equal_values_and_only_they_share_a_word(one, other):
    same_kind = isinstance(one, bool) == isinstance(other, bool)
    assert (word(one) == word(other)) == (same_kind and one == other)


@given(st.text(max_size=12))
def test_anything_typed_is_a_filter_or_an_error(text):
    try:
        read(parse([text]))
    except UsageError:
        assert "=" not in text or text[0] == "=" or '"' in text or "\\" in text or ".." in text


@pytest.mark.parametrize(
    ("text", "value"),
    [("10", 10), ("-3", -3), ("1e3", 1000.0), (".5", 0.5), ("0x10", None), ("1e999", None)],
)
def test_numbers(text, value):
    assert number(text) == value
    assert number("²") is None


@pytest.mark.parametrize(
    ("text", "whether"),
    [
        ("2024-02-29", True),
        ("2023-02-29", False),
        ("2024-01-01T10:00:00.5Z", True),
        ("2024-01-01 10:00", True),
        ("2024-01-01T10:00+02:00", True),
        ("20240101", False),
        ("2024", False),
    ],
)
def test_dates(text, whether):
    assert is_date(text) is whether
