"""Libraries that execute the exported networks, behind one protocol.

Start at `base.Runtime`; `choice.make_runtime` returns one by name.

- base: What a runtime is: it loads a file, runs it, and says what ran.
- choice: Runtimes by name.
- onnxruntime: ONNX Runtime: a second reader of the file.
- openvino: OpenVINO on a CPU: executes QDQ convolutions with 8-bit integers.
"""
