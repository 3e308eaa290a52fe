"""The processor's floating-point mode, changed within a block: for tests of what must be refused.

Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, section 10.2.3 (MXCSR);
Arm Architecture Reference Manual for A-profile, FPCR.
"""

from __future__ import annotations

import ctypes
import functools
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import binding

#: Bits of the control register by name of the mode.
X86 = {"ftz": 1 << 15, "daz": 1 << 6, "down": 1 << 13, "up": 2 << 13, "towards zero": 3 << 13}
ARM = {"ftz": 1 << 24, "up": 1 << 22, "down": 2 << 22, "towards zero": 3 << 22}

MODES = {"x86_64": X86, "amd64": X86, "aarch64": ARM, "arm64": ARM}.get(
    platform.machine().lower(), {}
)

_X86_CODE = """
declare void @llvm.x86.sse.ldmxcsr(ptr)
declare void @llvm.x86.sse.stmxcsr(ptr)
define i64 @get_mode() {
  %place = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %place)
  %short = load i32, ptr %place
  %mode = zext i32 %short to i64
  ret i64 %mode
}
define void @set_mode(i64 %mode) {
  %place = alloca i32
  %short = trunc i64 %mode to i32
  store i32 %short, ptr %place
  call void @llvm.x86.sse.ldmxcsr(ptr %place)
  ret void
}
"""
_ARM_CODE = """
declare i64 @llvm.aarch64.get.fpcr()
declare void @llvm.aarch64.set.fpcr(i64)
define i64 @get_mode() {
  %mode = call i64 @llvm.aarch64.get.fpcr()
  ret i64 %mode
}
define void @set_mode(i64 %mode) {
  call void @llvm.aarch64.set.fpcr(i64 %mode)
  ret void
}
"""


@functools.cache
def _functions() -> tuple[Any, Callable[[], int], Callable[[int], None]]:
    """The engine that owns the code, and the register's getter and setter."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    module = binding.parse_assembly(_X86_CODE if MODES is X86 else _ARM_CODE)
    machine = binding.Target.from_default_triple().create_target_machine()
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    get = ctypes.CFUNCTYPE(ctypes.c_int64)(engine.get_function_address("get_mode"))
    put = ctypes.CFUNCTYPE(None, ctypes.c_int64)(engine.get_function_address("set_mode"))
    return engine, get, put


@contextmanager
def processor_mode(name: str) -> Iterator[None]:
    """Within the block this thread computes in the mode of that name, one of `MODES`."""
    _, get, put = _functions()
    before = get()
    put(before | MODES[name])
    try:
        yield
    finally:
        put(before)
