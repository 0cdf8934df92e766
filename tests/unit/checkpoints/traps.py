"""A pickle that shows whether it was executed."""

import os


class Trap:
    """Its pickle makes a folder when it is executed."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)
