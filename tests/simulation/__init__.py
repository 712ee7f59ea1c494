"""A virtual machine for the load control: the real law and queues, made-up models, no real time."""
