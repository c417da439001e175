"""Commands for whoever works on Dateline; none of them is deployed."""
