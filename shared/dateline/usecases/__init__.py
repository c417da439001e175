"""What Dateline does: one module per thing, one function to call. Everything they need is passed in."""
