"""What templates need to show the studio's values."""
