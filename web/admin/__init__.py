"""The organiser's console: one page per event with the dial, the switches and the live numbers."""
