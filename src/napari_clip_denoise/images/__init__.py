"""Images as lazily read stacks: axes, regions and intensity mapping."""
