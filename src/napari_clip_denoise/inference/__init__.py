"""From noisy to clean at any size."""
