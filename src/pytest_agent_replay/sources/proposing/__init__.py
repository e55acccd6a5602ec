"""What a recorded session says about itself, and the invariants that can be made of it."""
