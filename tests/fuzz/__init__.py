"""Random messages of random definitions through the layers, beside a recount in plain Python (see `oracle`)."""
