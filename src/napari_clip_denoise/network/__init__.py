"""The network in pure torch: tensors in, tensors out."""
