"""Networks, their taps and their fusion."""
