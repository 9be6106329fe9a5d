"""Denoisers of other authors, from packages of the BioImage Model Zoo."""
