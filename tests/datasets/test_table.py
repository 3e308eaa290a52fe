"""CSV files: what they hold, exactly, and the line and column of what is wrong."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopbp.datasets import FileError, read_csv

TABLE = "height,weight,kind\n1.5,2,cat\n2.5,-3e2,dog\n0.25,4,cat\n"


def table_of(text, tmp_path, **options):
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    return read_csv(path, **options)


def test_text_labels_are_sorted_classes(tmp_path):
    table = table_of(TABLE, tmp_path)
    assert table.X.tolist() == [[1.5, 2], [2.5, -300], [0.25, 4]]
    assert (table.classes, table.Y.tolist()) == (("cat", "dog"), [0, 1, 0])
    assert (table.X.dtype, table.Y.dtype, table.name) == (np.float64, np.int64, "table")
    assert table.X.flags.c_contiguous
    assert table.X.flags.writeable


def test_integer_labels_are_sorted_as_numbers(tmp_path):
    table = table_of("x,y\n1,10\n2,9\n3,-1\n4,10\n", tmp_path)
    assert (table.classes, table.Y.tolist()) == (("-1", "9", "10"), [2, 1, 0, 2])


def test_real_targets(tmp_path):
    table = table_of("x,y\n1,10\n2,0.5\n", tmp_path)
    assert table.classes is None
    assert table.Y.tolist() == [[10.0], [0.5]]


def test_the_task_decides_where_the_data_leave_it_open(tmp_path):
    text = "x,y\n1,10\n2,5\n"
    assert table_of(text, tmp_path, task="regression").Y.tolist() == [[10.0], [5.0]]
    classes = table_of("x,y\n1,1.5\n2,a\n", tmp_path, task="classification").classes
    assert classes == ("1.5", "a")


@pytest.mark.parametrize(
    ("target", "X", "Y"),
    [
        ("a", [[2.5, 3.5], [5.5, 6.5]], [[1.5], [4.5]]),
        (0, [[2.5, 3.5], [5.5, 6.5]], [[1.5], [4.5]]),
        (-2, [[1.5, 3.5], [4.5, 6.5]], [[2.5], [5.5]]),
        (["c", "a"], [[2.5], [5.5]], [[3.5, 1.5], [6.5, 4.5]]),
        (("c", 1), [[1.5], [4.5]], [[3.5, 2.5], [6.5, 5.5]]),
    ],
)
def test_target_columns(tmp_path, target, X, Y):
    table = table_of("a,b,c\n1.5,2.5,3.5\n4.5,5.5,6.5\n", tmp_path, target=target)
    assert (table.X.tolist(), table.Y.tolist()) == (X, Y)


def test_a_file_without_header_and_numbered_columns(tmp_path):
    table = table_of("1,2,0\n3,4,1\n", tmp_path, header=False, target="0")
    assert (table.X.tolist(), table.classes) == ([[2, 0], [4, 1]], ("1", "3"))
    assert table_of("0,1\n5,6\n7,8\n", tmp_path).X.tolist() == [[5], [7]]


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators(tmp_path, separator):
    text = TABLE.replace(",", separator).replace("cat", '" c,a;t"')
    table = table_of(text, tmp_path, separator=separator)
    assert table.X.tolist() == [[1.5, 2], [2.5, -300], [0.25, 4]]
    assert table.classes == ("c,a;t", "dog")


def test_numbers_that_are_names(tmp_path):
    table = table_of("0,1,kind\n5,6,a\n7,8,b\n", tmp_path)
    assert (table.X.tolist(), table.classes) == ([[5, 6], [7, 8]], ("a", "b"))
    table = table_of("2019,change\n5,0.5\n7,1.5\n", tmp_path, target="2019")
    assert (table.X.tolist(), table.classes) == ([[0.5], [1.5]], ("5", "7"))


def test_what_pandas_writes_is_read_exactly(tmp_path):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(50, 3)) * 10.0 ** random.integers(-300, 300, (50, 3)))
    frame.columns = ["a", 'quoted, "b"', "line\nbreak"]
    frame["kind"] = random.choice(["x, y", 'say "no"', "two\nlines"], 50)
    path = tmp_path / "frame.csv"
    frame.to_csv(path, index=False)
    table = read_csv(path)
    np.testing.assert_array_equal(table.X, frame.iloc[:, :3].to_numpy())
    codes, names = pd.factorize(frame["kind"], sort=True)
    assert (table.classes, table.Y.tolist()) == (tuple(names), codes.tolist())


def test_spaces_blank_lines_carriage_returns_and_a_byte_order_mark(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfx , kind\r\n\r\n 1 , a \r\n   \r\n2,b\r\n\r\n")
    table = read_csv(path, target="kind")
    assert (table.X.tolist(), table.classes) == ([[1], [2]], ("a", "b"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("\n \n\n", "the file is empty"),
        ("a,b\n", "no examples below the header"),
        ("a;b\n1;2\n", "at least two columns separated by commas, .* got one, 'a;b'; .*=';', "),
        ("a|b\n1|2\n", r"got one, 'a\|b'; it seems to be separated by bars: .*--separator '\|'"),
        ("a\tb c\n1\t2\n", r"separated by tabs: separator='\\t', in the shell --separator tab"),
        ("a  b\n1  2\n", "separated by spaces, which have to be replaced"),
        ("a\n1\n", "got one, 'a'$"),
        ("1.5,2\n3,4\n", "column names in the first line; got numbers, 1.5 .header=False, .*shell"),
        ("5.1,.2,.2,rose\n4,3,2,iris\n", "names in the first line; got numbers, 5.1, .2, .2 "),
        ("5.1,NA,rose\n4,3,iris\n", "names in the first line; got numbers, 5.1, NA "),
        ("0,1,yes\n1,0,yes\n0,0,no\n", "first line; got an example of the class 'yes' .*--no-h"),
        ("a,,c\n1,2,3\n", "column 2 of 3 has no name"),
        ("a,b,a\n1,2,3\n", "two columns are called 'a'"),
        ("a,b\n1,2\n3\n", "line 3: expected 2 cells; got 1"),
        ("a,b\n1,2,\n3,4,\n", "line 2: expected 2 cells; got 3"),
        ("a,b\n1,2\nx,3\n", "line 3, column 'a': expected a finite number; got 'x'"),
        ("a,b\n1,2\n\n\nx,3\n", "line 5, column 'a'"),
        ('a,b,c\n1,2,"p\nq"\n1,x,r\n', "line 4, column 'b'"),
        ("a,b\n1,2\n,3\n", "line 3, column 'a': the value is missing"),
        ("a,b\n1,2\nN/A,3\n", r"line 3, column 'a': the value is missing \(the cell is 'N/A'\)"),
        ("a,b\n1,2\nnan,3\n", "line 3, column 'a': the value is missing"),
        ("a,b,c\n1,2,3\n4,inf,5\n", "line 3, column 'b': expected a finite number; got 'inf'"),
        ("a,b,c\n1,-1e999,3\n", "line 2, column 'b': expected a finite number; got '-inf'"),
        ("a,b\n1,cat\n2,\n", "line 3, column 'b': the value is missing"),
        ("a,b\n1,1\n2,NA\n", "line 3, column 'b': the value is missing"),
        ("a,b\n1,1.5\n2,x\n", "line 3, column 'b': expected a finite number; got 'x'"),
        ("a,b\n1,1.5\n2,1e999\n", "line 3, column 'b': expected a finite number; got '1e999'"),
        ("a,b\n1,cat\n2,cat\n", "column 'b': expected at least two classes; got only 'cat'"),
        ('a,b\n1,"x"y\n', "not a table separated by commas"),
        (f"a,b\n1,{'x' * 200_000}\n", "not a table separated by commas: field larger"),
        (f"a,b\n{'x' * 100_000},1\n", "expected a finite number; got 'x{50,}…"),
    ],
)
def test_bad_tables(tmp_path, text, words):
    with pytest.raises(FileError, match=words) as raised:
        table_of(text, tmp_path)
    assert str(raised.value).startswith(str(tmp_path / "table.csv"))
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("1,2,3\n4,inf,x\n6,y,7\n", "line 3, column 'c': .* got 'x'"),
        ("1,2,3\n4,inf,5\n6,7,x\n", "line 3, column 'b': .* got 'inf'"),
        ("1,2,3\n4,5,\n6,x,7\n", "line 3, column 'c': the value is missing"),
    ],
)
def test_the_first_bad_cell_of_several_targets_is_named(tmp_path, rows, words):
    with pytest.raises(FileError, match=words):
        table_of(f"a,b,c\n{rows}", tmp_path, target=["c", "b"])


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"target": "wieght"}, ValueError, "3 columns .*height, weight, kind.*mean 'weight'"),
        ({"target": 3}, ValueError, "target: expected an integer from -3 to 2; got 3"),
        ({"target": 1.5}, TypeError, "target: expected an integer"),
        ({"target": True}, TypeError, "target: expected an integer"),
        ({"target": []}, ValueError, "one or more different columns"),
        ({"target": ["height", 0]}, ValueError, "one or more different columns"),
        ({"target": [0, 1, 2]}, ValueError, "at least one column that is left as a feature"),
        ({"target": [0, 1], "task": "classification"}, ValueError, "got 2 columns"),
        ({"task": "clasification"}, ValueError, "did you mean 'classification'"),
        ({"task": "regression"}, FileError, "line 2, column 'kind': .* got 'cat'"),
        ({"separator": "."}, ValueError, "separator: expected one of"),
        ({"separator": ";"}, FileError, "columns separated by semicolons.*separator=','"),
        ({"max_bytes": 10}, FileError, "53 bytes; at most 10 are allowed"),
    ],
)
def test_read_csv_refuses(tmp_path, options, error, words):
    with pytest.raises(error, match=words):
        table_of(TABLE, tmp_path, **options)


def test_many_different_integers_are_not_silently_classes(tmp_path):
    text = "x,y\n" + "".join(f"{i},{i}\n" for i in range(1000))
    assert table_of(text, tmp_path).outputs == 1000
    text += "1000,1000\n"
    with pytest.raises(FileError, match="1,001 different integers; pass task='regression'"):
        table_of(text, tmp_path)
    assert table_of(text, tmp_path, task="classification").outputs == 1001
    assert table_of(text, tmp_path, task="regression").Y.shape == (1001, 1)


def test_a_file_that_is_not_utf8(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("größe,y\n1,2\n".encode("latin-1"))
    with pytest.raises(FileError, match=r"a.csv: expected text in UTF-8"):
        read_csv(path)


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet='0123456789.,-+eE"\n\r xnaif\0;', max_size=60))
def test_any_text_is_a_table_or_one_clear_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_text(text, encoding="utf-8", newline="")
    try:
        table = read_csv(path)
    except FileError:
        return
    assert np.isfinite(table.X).all()
    assert len(table.X) == len(table.Y)
