"""``python -m fairlead_devstack.demo``: Fairlead's main job on real parts, for a person to follow."""
