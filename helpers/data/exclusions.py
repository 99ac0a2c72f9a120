"""Clips that cannot be used, and the list of what was left out: nothing is dropped in silence."""

import collections


class ClipError(ValueError):
    """A clip that cannot be used. The message names the file first, then what is wrong with it."""

    lasting = True  # False where another try may end otherwise

    def __str__(self):
        return super().__str__().encode("utf-8", "backslashreplace").decode()  # a file's name may be no UTF-8

    @property
    def reason(self):
        """The message without the file's name."""
        return str(self).split(": ", 1)[-1]


class Unreadable(ClipError):
    """A clip that could not be read to its end: cut short, a fault of the disk, or an unforeseen one."""

    lasting = False


class Exclusions(list):
    """A list of (name, reason) that prints as a short report, one line a reason."""

    def add(self, name, reason):
        self.append((str(name), str(reason)))

    def counts(self):
        """Number of names for each reason, most frequent first: dict."""
        return dict(collections.Counter(reason for _, reason in self).most_common())

    def __str__(self):
        if not self:
            return "nothing left out"
        lines = [f"left out: {len(self)}"]
        for reason, count in self.counts().items():
            names = [name for name, why in self if why == reason]
            shown = ", ".join(names[:3]) + (f" and {count - 3} more" if count > 3 else "")
            lines.append(f"  {count} × {reason}: {shown}")
        return "\n".join(lines)
