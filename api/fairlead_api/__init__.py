"""The facade: the Block Storage v3 attachments API over Fairlead's custom resources.

`protocol` holds what every exchange has (ids, microversions, bodies, faults), `identity` who asks and for which
project, `cache` the mirrored resources, `lists` filters and paging, `volumes` and `attachments` the two resources.
"""
