"""Write-once objects on disk."""
