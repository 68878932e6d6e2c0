"""Every section, in the order of the page."""

from fairlead_bench.section import Section

SECTIONS: tuple[Section, ...] = ()
