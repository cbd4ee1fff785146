"""Tables as people save them: read where it is certain, refused with the line where it is not."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdim.data import tables
from cdim.errors import DataError

KNOWN = ("source", "instance")
PLAIN = 'source,instance\na.jpg,shoe 1\nb.jpg,"Smith, Sons"\n'
MANY_LINES = 'source,note\n\na.jpg,"two\nlines"\n,\nb.jpg,"say ""hi"""\n'


def table(folder: Path, text: str | bytes) -> tables.Table:
    (folder / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return tables.read(folder / "t.csv", KNOWN)


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.removesuffix("\n"),
        PLAIN.replace(",", ";").replace("Smith;", "Smith,"),
        PLAIN.replace(",", "\t").replace("Smith\t", "Smith,"),
        PLAIN.replace(",", "|").replace("Smith|", "Smith,"),
        "sep=,\n" + PLAIN,
        '"sep=;"\n' + PLAIN.replace(",", ";").replace("Smith;", "Smith,"),
        PLAIN.replace("source,instance", "Source , INSTANCE"),
        PLAIN.replace(",", ", ").replace("Smith,  Sons", "Smith, Sons"),
        "\n" + PLAIN + ",\n , \n\n",
        "".join(f"{n},{line}\n" for n, line in zip(["", 0, 7], PLAIN.split("\n"), strict=False)),
        "".join(f"{line},\n" for line in PLAIN.splitlines()),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        b"\xfe\xff" + PLAIN.replace(",", "\t").replace("Smith\t", "Smith,").encode("utf-16-be"),
    ],
)
def test_what_is_certain_is_read(tmp_path: Path, text: str | bytes) -> None:
    found = table(tmp_path, text).columns
    assert found == {"source": ["a.jpg", "b.jpg"], "instance": ["shoe 1", "Smith, Sons"]}


def test_rows_are_called_by_their_lines(tmp_path: Path) -> None:
    found = table(tmp_path, MANY_LINES)
    assert found.columns["note"] == ["two\nlines", 'say "hi"']
    assert [found.at(row) for row in (0, 1)] == [f"line {n} of {tmp_path}/t.csv" for n in (3, 6)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('s,i\na,b\nc,"d\ne,f\ng,h\n', "a quote in line 3 of .* is out of place"),
        ('s,i\na,b\nc,"d\ne,f\ng,"h"\n', "a quote in line 3"),
        ('s,i\na,b\nc,"d\ne,f\ng,h"\n', "a quote in line 3 of .* goes on to line 5"),
        ('s,i\na,b\n"c,d\ne,f\ng",h\n', "a quote in line 3 of .* goes on to line 5"),
        ('s,i\na,b\nc,d"\ne,f\n', "a quote in line 3"),
        ('s,i\na,"b"c\n', "a quote in line 2"),
        ("s,i\na,b\n\nc\n", "line 4 of .* has 1 values"),
        ("s,i\na,b,c\n", "line 2 of .* has 3 values"),
        ("s,i\n,\n", "no rows"),
        ("", "no rows"),
        ("s,\na,b\n", "column 2 of .* has no name"),
        (",s\nx,b\n", "column 1 of .* has no name"),
        ("instance,Instance\na,b\n", "two columns for 'instance'"),
        ("s,i;j\na,b;c\n", "',' and ';'.*sep="),
        ("s,i\na,Müller\n".encode("cp1252"), "line 2 of .* is not UTF-8.*CSV UTF-8"),
        ("s,i\na,b\n".encode("utf-16-le"), "no text.*CSV UTF-8"),
        (b"\xff\xfes\x00,\x00i", "line 1 of .* is not UTF-8"),
        (b"PK\x03\x04\x00", "no text"),
    ],
)
def test_what_is_not_certain_is_refused(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        table(tmp_path, text)


values = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=9)


@given(st.lists(st.tuples(values, values, values), min_size=1, max_size=5))
def test_a_line_is_read_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]]
) -> None:
    lines = [tables.line(row) for row in [("source", "instance", "note"), *rows]]
    file = tmp_path_factory.mktemp("lines") / "t.csv"
    file.write_bytes("".join(lines).encode())
    kept = [row for row in rows if any(row)]
    if kept:
        assert list(zip(*tables.read(file, ()).columns.values(), strict=True)) == kept


def test_no_text_becomes_a_formula(tmp_path: Path) -> None:
    texts = ["=1+1", "+cmd", "-x.jpg", "@SUM(A1)", "\tx", "'=x", '=HYPERLINK("a", "b")']
    plain = ["-5", "+4.5e3", "'tis", "'", "'-5", "a=b"]
    file = tmp_path / "t.csv"
    file.write_text("".join(tables.line(["a", each]) for each in ["name", *texts, *plain]))
    shown = pd.read_csv(file)["name"].astype(str).tolist()
    assert [each[0] for each in shown[: len(texts)]] == ["'"] * len(texts)
    assert shown[len(texts) :] == plain
    assert tables.read(file, ()).columns["name"] == texts + plain


@pytest.mark.parametrize(
    "written", ["in/Ä.jpg", "./in//Ä.jpg", ".//./in/././Ä.jpg", "in\\Ä.jpg", ".\\in\\Ä.jpg"]
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_file_is_found_however_it_is_spelt(tmp_path: Path, written: str, form: str) -> None:
    there = unicodedata.normalize(form, "in/Ä.jpg")
    (tmp_path / "in").mkdir()
    (tmp_path / there).touch()
    assert tables.file_named(written, str(tmp_path)) == there
    whole = tmp_path / unicodedata.normalize("NFD", written)
    assert tables.file_named(str(whole), "") == str(tmp_path / there)
    assert tables.file_named("in\\none.jpg", str(tmp_path)) == "in\\none.jpg"


def test_of_two_files_none_is_chosen(tmp_path: Path) -> None:
    one, two = (unicodedata.normalize(form, "ÄÖ.jpg") for form in ("NFC", "NFD"))
    mixed = one[0] + two[2:]
    (tmp_path / one).touch()
    assert tables.file_named(mixed, str(tmp_path)) == one
    (tmp_path / two).touch()
    assert tables.file_named(mixed, str(tmp_path)) is None
    assert [tables.file_named(name, str(tmp_path)) for name in (one, two)] == [one, two]


def test_what_is_no_file_is_refused_and_a_pipe_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    for name, said in (("pipe", "is a pipe"), ("folder", "is a folder"), ("none", "there is no")):
        with pytest.raises(DataError, match=f"(?s){said}.*a table is a CSV file"):
            tables.read(tmp_path / f"{name}.csv", KNOWN)


@pytest.mark.parametrize(
    ("column", "read"),
    [
        (["70,15", "", "1.299,50", "-3"], ["70.15", "", "1299.50", "-3"]),
        (["1.299", "12.5"], ["1.299", "12.5"]),
        (["70,15", "about 3"], ["70,15", "about 3"]),
    ],
)
def test_numbers_with_decimal_commas(tmp_path: Path, column: list[str], read: list[str]) -> None:
    rows = "".join(f"{n}.jpg;{value}\n" for n, value in enumerate(column))
    assert table(tmp_path, "source;price\n" + rows).columns["price"] == read
    quoted = "".join(f'{n}.jpg,"{value}"\n' for n, value in enumerate(column))
    assert table(tmp_path, "source,price\n" + quoted).columns["price"] == column
