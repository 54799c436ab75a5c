"""The only process that can reach a signing key: an issue door for deeds, an attest door for everything
else."""
