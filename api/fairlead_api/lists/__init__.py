"""Lists: filters, order and pages."""
