"""Training of rerankers: the served one (`asymmetric`) and the family that it is compared with."""
