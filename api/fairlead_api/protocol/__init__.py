"""What every exchange has, whatever it is about: request ids, microversions, bodies and faults."""
