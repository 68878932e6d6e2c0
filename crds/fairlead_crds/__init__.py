"""Fairlead's kinds: the single definition from which the CRD manifests are generated.

`kinds` holds the models, `names` the labels, annotations and other fixed names, `conditions` the standard condition
and the closed list of reasons, `quantity` Kubernetes quantities, `credentials` the derivation of CHAP secrets.
"""
