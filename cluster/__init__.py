"""What runs in the containers beside the product: passwords, health checks, and the state of the whole."""
