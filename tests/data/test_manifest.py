@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("path,label,is_query,is_gallery\na.png,1,True,True", "both a query and in the gallery"),
        ("path,label,is_query\na.png,1,perhaps", "'perhaps'"),
        ("source,instance,instance\na.png,1,2", "two columns 'instance'"),
        ("source,instance,camera\na.png,1,1e30", "1e30"),
        ('source,instance\n"a.png,1' + "x" * 200_000, "quotes"),
    ],
)
def test_what_a_csv_may_not_say(tmp_path: Path, lines: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(lines, "utf-8")
    with pytest.raises(DataError, match=message):
        Manifest.from_csv(tmp_path / "m.csv")


def test_validation_is_oml_s_word_for_test_and_others_word_for_val(tmp_path: Path) -> None:
    (tmp_path / "oml.csv").write_text("path,label,is_query,split\na.png,1,True,validation", "utf-8")
    (tmp_path / "own.csv").write_text("source,instance,split\na.png,1,validation", "utf-8")
    assert Manifest.from_csv(tmp_path / "oml.csv").split.tolist() == ["test"]
    assert Manifest.from_csv(tmp_path / "own.csv").split.tolist() == ["val"]
