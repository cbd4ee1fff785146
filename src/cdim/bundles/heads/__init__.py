"""Closed-form heads: fitted in NumPy, written as ONNX nodes."""
