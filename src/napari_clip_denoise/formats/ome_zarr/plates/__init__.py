"""Plates and other stores of several images: read, described and written as a whole."""
