"""What models there are, and the desks that tell it."""
