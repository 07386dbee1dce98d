"""What models there are, and the desks that list them."""
