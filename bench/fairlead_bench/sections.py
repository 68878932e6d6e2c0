"""Every section, in the order of the page."""

from fairlead_bench import collector, profile, scale, shards, targets, versus_cinder, versus_floor
from fairlead_bench.section import Section

SECTIONS: tuple[Section, ...] = (
    versus_cinder.SECTION,
    versus_floor.SECTION,
    profile.SECTION,
    collector.SECTION,
    targets.SECTION,
    scale.SECTION,
    shards.SECTION,
)
