"""The main job without hands: the office as users have it, two real browsers, from filing to a verified deed."""
