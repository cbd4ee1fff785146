"""Tables of metadata: which row is about which item, and what becomes a number."""

from __future__ import annotations

import pytest

from cdim.errors import DataError, UsageError
from cdim.find.index.metadata import told


def table(tmp_path, text):
    (tmp_path / "more.csv").write_text(text, encoding="utf-8")
    return tmp_path / "more.csv"


def test_codes_stay_text(tmp_path):
    codes = [
        "007",
        "-01",
        "00.5",
        "12E4",
        "1e5",
        "+49151234567",
        "1234567890123456",
        "1.234567890123456",
    ]
    texts = [*codes, "0", "0.5", "-3", ".5", "10", "123456789012345", "2024-01-02"]
    lines = "".join(f"{i},{text}\n" for i, text in enumerate(texts))
    names = {str(i): [str(i)] for i in range(len(texts))}
    items, _ = told(table(tmp_path, "id,x\n" + lines), names)
    values = [items[str(i)]["x"] for i in range(len(texts))]
    assert values == [*codes, 0, 0.5, -3, 0.5, 10, 123456789012345, "2024-01-02"]


NAMES_OF = {"in/Ä.jpg": ["in/Ä.jpg", "/photos/in/Ä.jpg", "x/in/Ä.jpg"], "b.jpg": ["b.jpg"]}


@pytest.mark.parametrize(
    "written",
    [
        *("in/Ä.jpg", "./in/Ä.jpg", "in\\Ä.jpg", ".\\in\\Ä.jpg", "in/A\u0308.jpg"),
        *("/photos/in/Ä.jpg", "/photos/in/A\u0308.jpg", "x\\in\\Ä.jpg"),
    ],
)
def test_a_table_names_images_however_they_are_spelt(tmp_path, written):
    text = f"Path,price\n\n{written},10\n{written},10\nnone.jpg,3\n"
    assert told(table(tmp_path, text), NAMES_OF) == ({"in/Ä.jpg": {"price": 10}}, ("none.jpg",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no rows"),
        ("price\n1\n", "one of id, path, source names the image; rename a column"),
        ("id,id\na,b\n", "two columns"),
        (
            "id,path,x\nA7,b.jpg,1\n",
            "the columns id, path.*keep one; rename .* such as id to sku",
        ),
        ("id,price\na\n", "line 2"),
        ('id,x\n"b.jpg,1\n', "line 2"),
        ("path,x\nb.jpg,1\n\n./b.jpg,2\n", "line 2 of .* and line 4 of .* differ"),
        ("path,x\nc.jpg,1\nd.jpg,2\n", "no row of .* names an image; the first names 'c.jpg'"),
        ("path,x\nno.jpg,1\nO\u0308.jpg,1\n", "line 3 of .* may be .*write the id"),
    ],
)
def test_tables_that_are_none(tmp_path, text, words):
    names = {**NAMES_OF, "Ö.jpg": ["Ö.jpg"], "O\u0308.jpg#2": ["./Ö.jpg"]}
    with pytest.raises(DataError, match=words):
        told(table(tmp_path, text), names)


def test_tables_with_names_that_metadata_may_not_have(tmp_path):
    with pytest.raises(UsageError, match="digest"):
        told(table(tmp_path, "id,Digest\na,b\n"), {"a": ["a"]})
    with pytest.raises(DataError, match="there is no"):
        told(tmp_path / "missing.csv", {})
