"""What the filters of a network fire on."""
