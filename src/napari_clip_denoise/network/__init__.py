"""The network in plain PyTorch."""
