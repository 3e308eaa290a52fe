"""Networks of other libraries, to and fro: one module each, imported only when it is used.

`torch`, `onnx`, `safetensors`, `jax` and `sklearn` need the library whose name they bear (`pip
install "loopbp[torch]"` and so on); `coefs` needs none. `files` reads and writes a network by the
file's extension.
"""
