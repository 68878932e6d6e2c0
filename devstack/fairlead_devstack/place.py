"""What is started as a whole, and ended however that goes."""

import abc
from types import TracebackType
from typing import Self


class Place(abc.ABC):
    """A context manager; a start that fails half way is ended like one that succeeded."""

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abc.abstractmethod
    def _start(self) -> None:
        """Start everything."""

    @abc.abstractmethod
    def stop(self) -> None:
        """End everything that has been started."""
