"""The proof of exactness: the same bits everywhere, and mistakes that it must find."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llvmlite import binding
from problems import ELEMENTWISE, EXACT, OUTPUT_LOSSES

from loopbp import exactness
from loopbp.engines import SUM_LOSSES
from loopbp.exactness import PROBLEMS, Case, Hash
from loopbp.kernels import environment, textbook

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-P", "-m", "loopbp", "exactness"]
DISABLED = os.environ.get("NUMBA_DISABLE_JIT") == "1"
CHECKED = os.environ.get("NUMBA_BOUNDSCHECK") == "1"

#: Instructions that round a product and a sum together, and the function that does it where a
#: processor has none. x86: vfmadd132ps …; ARM: fmadd, fmla, vfma; Power: xvmaddadp; RISC-V: vfmacc.
FUSED = re.compile(
    r"^\s+(?:v?fn?m(?:add|sub|la|ls|acc|sac)|xvn?m(?:add|sub)|vfm[as]\.)\w*|(?<![\w.])fmaf?\b",
    re.MULTILINE,
)

#: Small enough for every mode of compilation; together they have all kinds of numbers.
SMALL = ("chain", "sigmoid", "subnormal") if DISABLED else ("kinks", "smooth", "subnormal", "wide")


def run(*options: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own."""
    paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    environ = {**os.environ, "PYTHONPATH": paths, "COLUMNS": "80", **settings.pop("env", {})}
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **settings}
    return subprocess.run([*COMMAND, *options], env=environ, text=True, check=False, **settings)


def different(found: Any, problem: str, dtype: str) -> set[str]:
    """The quantities of which a hash is not the published one."""
    expected = exactness.published()[problem][dtype]
    return {h.quantity for h in found if h.sha256 != expected[exactness.key(h.quantity, h.batch)]}


# --- The proof ----------------------------------------------------------------------------------


@pytest.mark.skipif(DISABLED or CHECKED, reason="the proof is about the code that is really run")
def test_the_bits_are_the_published_ones(tmp_path):
    """All engines, threads, batch sizes and two processors; and no instruction fuses.

    The cache on disk is off, so that every kernel is compiled and its assembly can be seen.
    """
    assembly = tmp_path / "assembly"
    settings = {"LOOPBP_CACHE_DIR": "off", "NUMBA_DUMP_ASSEMBLY": "1"}
    with assembly.open("w") as stderr:
        result = run(env=settings, stderr=stderr)
    emitted = assembly.read_text()
    assert result.returncode == 0, result.stdout
    *lines, summary = result.stdout.splitlines()[1:]
    assert summary.endswith("hashes, compiled for processors this, generic: all equal")
    rows = [line.split() for line in lines]
    seen = {
        (name, dtype, engine): (threads, cells) for name, dtype, engine, threads, *cells in rows
    }
    for name, problem in PROBLEMS.items():
        for dtype in ("float32", "float64"):
            for engine in EXACT:
                if engine == "python" and problem.work > exactness.MOST_WORK_UNCOMPILED:
                    continue
                threads, cells = seen[name, dtype, engine]
                assert threads == ("1" if engine == "python" else "1,2,3,8")
                assert cells == ["equal"] * 6
    compiled = set(re.findall(r"ASSEMBLY (\w+)", emitted))
    assert compiled >= {"weighted_sum", "output", "hidden_delta", "weight_gradient", "adam"}
    for name in EXACT[2:]:
        assert {"descend", "pass_weights", "divide_examples"} <= compiled, name
    assert re.search(r"\bv?mulps\b|\bfmul\b", emitted)
    assert FUSED.findall(emitted) == []


@pytest.mark.skipif(DISABLED or CHECKED, reason="the proof is about the code that is really run")
@pytest.mark.skipif(
    bool(environment.lacking(exactness.PROCESSORS["avx2"]["NUMBA_CPU_FEATURES"])),
    reason="this processor has no AVX2",
)
def test_vectors_of_another_width_give_the_same_bits():
    options = ["--processor", "avx2", "--threads", "2", "--problem", "wide", "--problem", "pixels"]
    compiled = [name for name in EXACT if name != "python"]
    options += [word for name in compiled for word in ("--engine", name)]
    result = run(*options)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("problem", SMALL)
def test_the_bits_are_the_published_ones_in_this_process(exact, problem, dtype):
    slow = exact == "python" and problem == "wide"
    batches = ("all",) if slow else ("1", "9", "all") if DISABLED else exactness.BATCHES
    found = list(exactness.hashes(PROBLEMS[problem], dtype, exact, batches))
    assert different(found, problem, dtype) == set()
    quantities = {"given", "S", "x", "delta", "losses", "gradient", "weights"}
    assert {h.quantity for h in found} == quantities
    assert {h.order for h in found} == {"given", "random"}


# --- What it must find --------------------------------------------------------------------------


def summed_from_the_other_end(S, W, x):
    for n in range(S.shape[0]):
        for j in range(S.shape[1]):
            s = W[-1, j] * x[n, -1]
            for i in reversed(range(x.shape[1] - 1)):
                s += W[i, j] * x[n, i]
            S[n, j] = s


def summed_in_float64(S, W, x):
    S[...] = [
        [sum(float(w) * float(v) for w, v in zip(W[:, j], x[n], strict=True)) for j in
         range(S.shape[1])] for n in range(S.shape[0])
    ]  # fmt: skip


def with_fused_multiply_add(S, W, x):
    """In float32: the product of two float32 is exact in float64."""
    for n in range(S.shape[0]):
        for j in range(S.shape[1]):
            s = W[0, j] * x[n, 0]
            for i in range(1, x.shape[1]):
                s = np.float32(np.float64(s) + np.float64(W[i, j]) * np.float64(x[n, i]))
            S[n, j] = s


@pytest.mark.parametrize(
    "mistake", [summed_from_the_other_end, summed_in_float64, with_fused_multiply_add]
)
def test_a_wrong_sum_is_found(mistake, monkeypatch):
    monkeypatch.setattr(textbook, "weighted_sum", mistake)
    found = exactness.hashes(PROBLEMS["kinks"], "float32", "python", ["9"])
    wrong = different(found, "kinks", "float32")
    assert wrong == {"S", "x", "delta", "losses", "gradient", "weights"}


def test_a_gradient_put_together_from_halves_is_found(monkeypatch):
    def halves(grad, delta, x, divisor):
        middle = len(x) // 2
        sums = np.zeros((2, *grad.shape), grad.dtype)
        for half, rows in enumerate((range(middle), range(middle, len(x)))):
            for n in rows:
                sums[half] += x[n][:, None] * delta[n]
        grad[...] = (sums[0] + sums[1]) / divisor

    monkeypatch.setattr(textbook, "weight_gradient", halves)
    found = exactness.hashes(PROBLEMS["kinks"], "float64", "python", ["37"])
    assert different(found, "kinks", "float64") == {"gradient", "weights"}


def test_a_row_that_depends_on_its_place_is_found(monkeypatch):
    """Off by one rounding in every fourth row, as a remainder loop might be."""
    right = textbook.output

    def wrong(x, S, g):
        getattr(right, "py_func", right)(x, S, g)
        x[3::4] = np.nextafter(x[3::4], x.dtype.type(9))

    monkeypatch.setattr(textbook, "output", wrong)
    found = list(exactness.hashes(PROBLEMS["kinks"], "float64", "python", ["8"]))
    x = {h.order: h.sha256 for h in found if h.quantity == "x"}
    assert x["given"] != x["random"]


# --- Fused multiply-add -------------------------------------------------------------------------

_FUSED = """
declare double @llvm.fma.f64(double, double, double)
declare <4 x float> @llvm.fma.v4f32(<4 x float>, <4 x float>, <4 x float>)
define double @one(double %a, double %b, double %c) {
  %r = call double @llvm.fma.f64(double %a, double %b, double %c)
  ret double %r
}
define <4 x float> @four(<4 x float> %a, <4 x float> %b, <4 x float> %c) {
  %r = call <4 x float> @llvm.fma.v4f32(<4 x float> %a, <4 x float> %b, <4 x float> %c)
  ret <4 x float> %r
}
"""
_CONTRACTED = """
define double @one(double %a, double %b, double %c) {
  %p = fmul contract double %a, %b
  %r = fadd contract double %p, %c
  ret double %r
}
define <4 x float> @four(<4 x float> %a, <4 x float> %b, <4 x float> %c) {
  %p = fmul contract <4 x float> %a, %b
  %r = fadd contract <4 x float> %p, %c
  ret <4 x float> %r
}
"""


def assembly(code: str, triple: str, features: str) -> str:
    """What LLVM emits for some code."""
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    try:
        target = binding.Target.from_triple(triple)
    except RuntimeError:
        pytest.skip(f"this LLVM does not know {triple}")
    machine = target.create_target_machine(cpu="", features=features, opt=3)
    emitted: str = machine.emit_assembly(binding.parse_assembly(code))
    return emitted


@pytest.mark.parametrize(
    "line",
    ["vmaxss %xmm0, %xmm1", "vmulps %zmm0, %zmm1", "fmul d0, d1", "fmax s0, s1", "jmp a_fma"],
)
def test_other_instructions_are_not_taken_for_fused_ones(line):
    assert FUSED.findall(f"label:\n\t{line}\n") == []


@pytest.mark.parametrize("code", [_FUSED, _CONTRACTED], ids=["intrinsic", "fastmath"])
@pytest.mark.parametrize(
    "triple, features",
    [
        ("x86_64-unknown-linux-gnu", "+avx2,+fma"),
        ("x86_64-unknown-linux-gnu", "+avx512f,+avx512vl"),
        ("x86_64-unknown-linux-gnu", ""),
        ("aarch64-unknown-linux-gnu", "+neon"),
    ],
)
def test_fused_multiply_add_is_recognised(code, triple, features):
    """As an instruction, or as a call of the function where the processor has none."""
    emitted = assembly(code, triple, features)
    fused = FUSED.findall(emitted)
    if code == _CONTRACTED and not features:
        assert fused == []  # permitted, but slower than two instructions
    else:
        assert len(fused) >= 2, emitted
    separate = assembly(_CONTRACTED.replace(" contract", ""), triple, features)
    assert FUSED.findall(separate) == []
    assert "mul" in separate and "add" in separate


# --- The problems -------------------------------------------------------------------------------


def test_the_problems_have_every_activation_loss_and_rule_of_update():
    hidden = {name for problem in PROBLEMS.values() for name in problem.hidden}
    losses = {problem.loss for problem in PROBLEMS.values()}
    optimizers = [problem.optimizer for problem in PROBLEMS.values()]
    rules = {(type(o).__name__, getattr(o, "momentum", 0) > 0, getattr(o, "nesterov", False))
             for o in optimizers}  # fmt: skip
    assert hidden == set(ELEMENTWISE)
    assert losses == {*OUTPUT_LOSSES, *SUM_LOSSES}
    assert rules == {("SGD", False, False), ("SGD", True, False), ("SGD", True, True),
                     ("Adam", False, False)}  # fmt: skip


def test_no_batch_is_all_examples_and_none_divides_them_all():
    for problem in PROBLEMS.values():
        assert problem.examples > 37
        assert problem.examples % 37 != 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_subnormal_numbers_take_part(dtype):
    problem = PROBLEMS["subnormal"]
    trace = problem.network(dtype).backprop(*problem.data(dtype), engine="python")
    tiny = np.finfo(dtype).tiny
    for quantity in (trace.S[0], trace.delta[0], trace.grad[0]):
        assert ((quantity != 0) & (np.abs(quantity) < tiny)).any()


def test_pixels_are_mostly_zero_and_otherwise_255ths():
    X, Y = PROBLEMS["pixels"].data("float64")
    k = X * 255
    np.testing.assert_allclose(k, np.round(k), atol=1e-12)
    assert 0.5 < (X == 0).mean() < 0.7
    assert X.max() <= 1
    np.testing.assert_array_equal(np.sort(Y, axis=1)[:, -2:], [[0, 1]] * 100)


# --- Hashes and files ---------------------------------------------------------------------------


def test_a_hash_is_what_the_definition_says():
    arrays = [np.array([[1, -2]], np.float32), np.array([0.0, -0.0, 1.0])]
    stream = b"<f4 1 2\n" + bytes.fromhex("0000803f 000000c0")
    stream += b"<f8 3\n" + bytes.fromhex("0000000000000000 0000000000000080 000000000000f03f")
    expected = hashlib.sha256(stream).hexdigest()
    assert exactness.sha256(arrays) == expected
    assert exactness.sha256([array.astype(array.dtype.newbyteorder(">")) for array in arrays]) == (
        expected
    )
    assert exactness.sha256([np.array([[1, 9, -2, 9]], np.float32)[:, ::2], arrays[1]]) == expected


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_number_that_is_not_finite_has_no_hash(bad):
    with pytest.raises(ArithmeticError, match="not finite"):
        exactness.sha256([np.array([1.0, bad])])


CHAIN = ("--problem", "chain", "--engine", "python", "--dtype", "float64")


def test_the_command_names_what_differs(tmp_path):
    found = exactness.published()
    digest = found["chain"]["float64"]["gradient/9"]
    found["chain"]["float64"]["gradient/9"] = "0" * 64
    changed = tmp_path / "changed.json"
    changed.write_text(exactness.to_json(found))
    result = run(*CHAIN, "--against", str(changed))
    assert result.returncode == 1
    assert result.stdout.splitlines()[1].split() == [
        *("chain", "float64", "python", "1", "equal", "equal", "equal", "equal", "not", "equal")
    ]
    said = " ".join(result.stdout.split())
    assert (
        "gradient of chain in float64: engine python, threads 1, processor this, batch 9, order "
        f"given: {digest[:12]}, expected 000000000000" in said
    )


def test_what_the_command_writes_can_be_checked_against(tmp_path):
    json_file, page = tmp_path / "here.json", tmp_path / "here.md"
    result = run(*CHAIN, "--write", str(json_file), "--write", str(page))
    assert result.returncode == 0, result.stderr
    found = exactness.published(json_file)
    assert found == {"chain": {"float64": exactness.published()["chain"]["float64"]}}
    for digest in found["chain"]["float64"].values():
        assert f"`{digest}`" in page.read_text()
    assert run(*CHAIN, "--against", str(json_file)).returncode == 0


@pytest.mark.parametrize(
    "options, message",
    [
        (("--problem", "chian"), "did you mean 'chain'"),
        (("--engine", "numpy"), "expected one of python, textbook"),
        (("--threads", "0"), "threads: expected an integer ≥ 1; got 0"),
        (("--write", "hashes.txt"), "expected one of .json, .md; got '.txt'"),
        (("--against", "nothing.json"), "nothing.json: No such file"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(tmp_path, options, message):
    result = run(*options, cwd=tmp_path)
    assert result.returncode == 2
    assert message in " ".join(result.stderr.split())


@pytest.mark.parametrize("text", ["", "[]", '{"format": "other", "version": 1, "hashes": {}}'])
def test_a_file_of_something_else_is_refused(tmp_path, text):
    file = tmp_path / "file.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"file\.json: expected a file of hashes"):
        exactness.published(file)


def test_hashes_that_do_not_agree_are_not_published():
    import pandas as pd

    rows = [
        (*Case("this", "chain", "float64", engine, 1), *Hash("S", "all", "given", digest))
        for engine, digest in (("python", "a"), ("textbook", "b"))
    ]
    frame = pd.DataFrame(rows, columns=[*Case._fields, *Hash._fields])
    with pytest.raises(ValueError, match="do not agree on S of chain in float64"):
        exactness.agreed(frame)
    assert exactness.agreed(frame[:1]) == {"chain": {"float64": {"S": "a"}}}


def test_a_process_that_ends_early_is_an_error():
    unknown = Case("this", "no such problem", "float64", "python", 1)
    with pytest.raises(ChildProcessError, match="processor 'this' ended with exit code 1"):
        exactness.check([unknown], {})


def test_code_that_this_processor_cannot_run_is_refused(monkeypatch):
    monkeypatch.setitem(exactness.PROCESSORS, "avx2", {"NUMBA_CPU_FEATURES": "+avx,+avx1024"})
    with pytest.raises(ValueError, match=r"cannot run the code for avx2; it lacks .*avx1024"):
        exactness.check([Case("avx2", "chain", "float64", "textbook", 1)], {})


def test_the_report_shows_the_shipped_hashes():
    page = (ROOT / "reports" / "exactness" / "README.md").read_text("utf-8")
    found = exactness.published()
    assert list(found) == list(PROBLEMS)
    for name, dtypes in found.items():
        section = page.split(f"## {name}\n")[1].split("\n## ")[0]
        rows = {
            cells[1]: cells[2:4]
            for cells in (re.split(r"[|`\s]+", line) for line in section.splitlines())
            if len(cells) > 4
        }
        for quantity in dtypes["float32"]:
            assert rows[quantity] == [dtypes[d][quantity] for d in ("float32", "float64")]
    assert json.loads(exactness.to_json(found))["hashes"] == found
