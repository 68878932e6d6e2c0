"""Storage drivers: the contract (`base`), its conformance suite and the drivers shipped with Fairlead."""
