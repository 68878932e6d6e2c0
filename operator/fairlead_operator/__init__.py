"""The Fairlead operator: kopf delivers, a pure core decides, drivers export."""
