"""What any request passes, whatever it says."""
