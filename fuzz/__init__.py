"""Programs that look for input which breaks Candor; `make fuzz` runs them."""
