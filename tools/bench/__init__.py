"""`make bench`: what a cold start, a request, a write and a post cost, and how punctual the local stack is (docs/bench.md)."""
