"""What is broken, one module each. A scenario takes where to play and a database; its scale 1 is what is promised."""
