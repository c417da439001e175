"""The networks: each module holds one network's rules and its publisher; `registry` is the list of them."""
