"""Bridges to training frameworks: examples as plain arrays, batches, TensorFlow, PyTorch."""
