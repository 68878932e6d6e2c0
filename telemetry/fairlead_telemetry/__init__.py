"""What operator and facade share of telling people how they are: logs, metrics, traces, probes."""
