"""What is measured of an artifact, its samples and its latents."""
