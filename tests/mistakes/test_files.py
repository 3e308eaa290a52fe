"""Submissions from strangers: files are data, and a bad one is a line and not a crash."""

from __future__ import annotations

import csv
import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from problems import Problem
from students import compute

from loopbp.mistakes import Examiner
from loopbp.mistakes.files import in_folder, read
from loopbp.mistakes.marking import COLUMNS, mark, read_batch, table
from loopbp.npz import FileError

PROBLEM = Problem((3, 4, 3), ("sigmoid",), "softmax", "cross_entropy", 5, "float64", 1)


@pytest.fixture(scope="module")
def examiner() -> Examiner:
    return Examiner(PROBLEM.network(), *PROBLEM.data(), eta=0.1)


def line(examiner: Examiner, path: Path) -> str:
    """What is said about one file."""
    return next(iter(mark(examiner, [path]))).line


def test_npz_and_csv_of_the_same_numbers(examiner, tmp_path):
    net, (X, Y) = PROBLEM.network(), PROBLEM.data()
    wrong = compute(net, X, Y, {"slope-left-out": (0,)})
    np.savez_compressed(tmp_path / "a.npz", **wrong.arrays("delta grad db"))
    trace = net.backprop(X, Y)
    delta = np.asarray(trace.delta[1]) @ net.W[1][1:].T
    frame = trace.to_frame()
    frame.loc[(frame.quantity == "delta") & (frame.l == 0), "value"] = delta.ravel()
    frame[frame.quantity.isin(["delta", "x", "w", "loss"])].to_csv(tmp_path / "b.csv", index=False)
    frame[frame.quantity == "delta"][::3].to_csv(tmp_path / "c.csv", index=False)
    for name in ("a.npz", "b.csv", "c.csv"):
        assert line(examiner, tmp_path / name) == "slope-left-out"
    trace.to_frame().to_csv(tmp_path / "d.csv", index=False)
    assert line(examiner, tmp_path / "d.csv") == "agrees within rounding"


def test_a_trace_as_a_table_is_every_number_of_it(examiner, tmp_path):
    """A change of any single row shows, at the place that the row names."""
    trace = PROBLEM.network().backprop(*PROBLEM.data())
    frame = trace.to_frame()
    frame = frame[~frame.quantity.isin(["w", "loss"])].reset_index(drop=True)
    names = {"delta": "δ", "grad": "∂f/∂w"}
    for row in range(0, len(frame), 17):
        changed = frame.copy()
        changed.loc[row, "value"] += 0.5
        changed.to_csv(tmp_path / "one.csv", index=False)
        found = next(iter(mark(examiner, [tmp_path / "one.csv"]))).diagnosis
        quantity, l, i, j = changed.loc[row, ["quantity", "l", "i", "j"]]
        if quantity == "x" and i == 0:
            assert found.agrees
            continue
        letter = names.get(quantity, quantity)
        at = f"{i}{j}" if quantity == "grad" else f"{i if quantity == 'x' else j}"
        assert found.first.name.startswith(f"{letter}_{at}^({l})")


class Evil:
    """Unpickled, it leaves a file behind."""

    def __reduce__(self):
        return (os.system, (f"touch {os.environ['EVIL']}",))


def files_from_strangers(folder: Path) -> dict[str, str]:
    """Bad files by name, and what has to be said about each."""
    np.savez(folder / "pickle.npz", grad0=np.array([Evil()], dtype=object))
    (folder / "raw.npz").write_bytes(pickle.dumps(Evil()))
    (folder / "junk.npz").write_bytes(b"PK\x03\x04" + bytes(100))
    (folder / "empty.npz").write_bytes(b"")
    with zipfile.ZipFile(folder / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "<f8", "fortran_order": False, "shape": (2**24,)}
        )
        archive.writestr("grad0.npy", header.getvalue() + bytes(2**27))
    np.savez(folder / "name.npz", detla0=np.zeros((5, 4)))
    np.savez(folder / "escape.npz", **{"\x1b[31mred0": np.zeros(1)})
    np.savez(folder / "shape.npz", delta0=np.zeros((5, 9)))
    np.savez(folder / "text.npz", delta0=np.array(["a"]))
    np.savez(folder / "scalar.npz", delta0=np.array(1.0))
    np.savez(folder / "none.npz")
    os.mkfifo(folder / "pipe.npz")
    (folder / "dangling.npz").symlink_to("nowhere")
    (folder / "binary.csv").write_bytes(b"\xff\xfe\x00")
    (folder / "header.csv").write_text("a,b\n1,2\n")
    (folder / "empty.csv").write_text("")
    (folder / "rows.csv").write_text("quantity,l,n,i,j,value\n")
    (folder / "cells.csv").write_text("quantity,l,n,i,j,value\nS,0,0\n")
    (folder / "layer.csv").write_text("quantity,l,n,i,j,value\nS,7,0,,1,2\n")
    (folder / "index.csv").write_text("quantity,l,n,i,j,value\nS,0,0,,1e99,2\n")
    (folder / "number.csv").write_text("quantity,l,n,i,j,value\nS,0,0,,1,two\n")
    (folder / "twice.csv").write_text("quantity,l,n,i,j,value\nS,0,0,,1,2\nS,0,0,,1,2\n")
    (folder / "unknown.csv").write_text("quantity,l,n,i,j,value\n=cmd,0,0,,1,2\n")
    (folder / "long.csv").write_text("quantity,l,value\n" + "S,0,1\n" * 300_000)
    (folder / "cell.csv").write_text('quantity,l,value\n"' + "x" * 200_000)
    return {
        "pickle.npz": "pickled objects", "raw.npz": "not an npz file",
        "junk.npz": "not an npz file", "empty.npz": "not an npz file", "bomb.npz": "are allowed",
        "name.npz": "did you mean delta0?", "escape.npz": "\\x1b[31mred0",
        "shape.npz": "delta0: expected shape (5, 4)", "text.npz": "real numbers",
        "scalar.npz": "delta0: expected shape", "none.npz": "got none",
        "pipe.npz": "not a regular file", "dangling.npz": "there is no such file",
        "binary.csv": "UTF-8", "header.csv": "expected the columns",
        "empty.csv": "expected the columns", "rows.csv": "no results",
        "cells.csv": "line 2: expected 6 cells", "layer.csv": "line 2: expected l from 0 to 1",
        "index.csv": "line 2: expected j from 1 to 4", "number.csv": "expected a number",
        "twice.csv": "line 3: this number", "unknown.csv": "got '=cmd'", "long.csv": "are allowed",
        "cell.csv": "not a table",
    }  # fmt: skip


def test_bad_files_are_a_line_each_and_the_others_go_on(examiner, tmp_path, monkeypatch):
    evil = tmp_path / "evil"
    monkeypatch.setenv("EVIL", str(evil))
    folder = tmp_path / "class"
    folder.mkdir()
    expected = files_from_strangers(folder)
    np.savez(folder / "=good.npz", **compute(PROBLEM.network(), *PROBLEM.data()).arrays("grad db"))
    (folder / "notes.txt").write_text("not looked at")
    paths = in_folder(folder)
    assert {path.name for path in paths} == {*expected, "=good.npz"}
    marked = {Path(one.file).name: one for one in mark(examiner, paths)}
    assert marked.pop("=good.npz").agrees
    for name, message in expected.items():
        one = marked[name]
        assert one.line.startswith("not read: "), name
        assert message in one.line, (name, one.line)
        assert one.line.isprintable() and len(one.line) < 500
    assert not evil.exists()


def test_the_table_is_for_a_spreadsheet(examiner, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = compute(PROBLEM.network(), *PROBLEM.data(), {"slope-left-out": (0,)})
    np.savez("=1+1.npz", **wrong.arrays("delta"))
    Path("bad.npz").write_bytes(b"")
    rows = list(
        csv.DictReader(io.StringIO(table(mark(examiner, [Path("=1+1.npz"), Path("bad.npz")]))))
    )
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["submission"] == "'=1+1.npz"
    assert (rows[0]["verdict"], rows[0]["mistakes"]) == ("explained", "slope-left-out")
    assert rows[0]["layers"] == "0" and rows[0]["place"] == "delta0[0, 0]"
    right = PROBLEM.network().backprop(*PROBLEM.data()).delta[0][0, 0]
    assert float(rows[0]["expected"]) == right
    assert float(rows[0]["got"]) == wrong.delta[0][0, 0]
    assert (rows[1]["verdict"], rows[1]["mistakes"]) == ("not read", "")
    assert "not an npz file" in rows[1]["problem"]


def test_what_was_not_compared_is_in_the_line_and_in_the_table(examiner, tmp_path):
    right = compute(PROBLEM.network(), *PROBLEM.data())
    np.savez(tmp_path / "a.npz", **right.arrays("grad"), detla0=np.ones(3), **{"=q": np.ones(1)})
    marked = list(mark(examiner, [tmp_path / "a.npz"]))
    assert marked[0].agrees
    assert marked[0].line == "agrees within rounding; not compared: detla0, =q"
    rows = list(csv.DictReader(io.StringIO(table(marked))))
    assert rows[0]["not_compared"] == "detla0, =q"
    np.savez(tmp_path / "b.npz", **right.arrays("grad"), **{"=q": np.ones(1)})
    assert next(iter(mark(examiner, [tmp_path / "b.npz"]))).row["not_compared"] == "'=q"


def test_a_quantity_in_a_table_that_is_not_known_is_left_out(examiner, tmp_path):
    """Its rows may have anything in them; the others are compared."""
    frame = PROBLEM.network().backprop(*PROBLEM.data()).to_frame()
    text = frame[frame.quantity == "grad"].to_csv(index=False)
    others = "momentum,99,,x,,nothing\ndA,0,0,,1,7.5\n"
    (tmp_path / "a.csv").write_text(text + others)
    (tmp_path / "b.csv").write_text(text.replace("grad,0", "momentum,0"))
    found = next(iter(mark(examiner, [tmp_path / "a.csv"])))
    assert found.agrees and found.diagnosis.left_out == ("momentum", "dA")
    assert found.line == "agrees within rounding; not compared: momentum, dA"
    assert "not compared: dA, since derivatives by x are not" in found.diagnosis.notes
    found = next(iter(mark(examiner, [tmp_path / "b.csv"])))
    assert [row.layer for row in found.diagnosis.rows] == [1] and found.agrees


def test_an_empty_folder_and_other_files_are_refused(examiner, tmp_path):
    with pytest.raises(FileError, match="expected npz or CSV files"):
        in_folder(tmp_path)
    with pytest.raises(FileError, match="expected an npz or a CSV file"):
        read(tmp_path / "a.txt", examiner.case)


def test_labels_of_a_batch_stay_what_they_are(tmp_path):
    """A batch that has classes 0 and 2 only, of a network with three."""
    net = PROBLEM.network()
    X = np.arange(6.0).reshape(2, 3)
    np.savez(tmp_path / "b.npz", X=X, Y=np.array([2, 0]))
    (tmp_path / "b.csv").write_text("a,b,c,y\n0,1,2,2\n3,4,5,0\n")
    np.savez(tmp_path / "one.npz", X=X[:1], Y=np.array([2]))
    for name in ("b.npz", "b.csv"):
        found, labels = read_batch(str(tmp_path / name), net)
        assert labels.tolist() == [2, 0] and found.tolist() == X.tolist()
    (tmp_path / "tabs.csv").write_text("0\t1\t2\t2\n3\t4\t5\t0\n")
    found, labels = read_batch(str(tmp_path / "tabs.csv"), net, header=False, separator="\t")
    assert labels.tolist() == [2, 0] and found.tolist() == X.tolist()
    found, labels = read_batch(str(tmp_path / "b.csv"), net, target="a")
    assert labels.tolist() == [0, 3] and found.tolist() == [[1, 2, 2], [4, 5, 0]]
    for options in ({"header": False}, {"separator": ";"}, {"target": "a"}):
        with pytest.raises(ValueError, match="only a .csv file has"):
            read_batch(str(tmp_path / "b.npz"), net, **options)
    assert read_batch(str(tmp_path / "one.npz"), net)[1].tolist() == [2]
    (tmp_path / "words.csv").write_text("a,b,c,y\n0,1,2,cat\n3,4,5,dog\n")
    with pytest.raises(ValueError, match="expected 3 classes"):
        read_batch(str(tmp_path / "words.csv"), net)
    np.savez(tmp_path / "x.npz", X=X)
    with pytest.raises(FileError, match="expected the arrays X and Y"):
        read_batch(str(tmp_path / "x.npz"), net)
