"""The rules of scheduling and publishing. No I/O, no AWS, no clock of its own."""
