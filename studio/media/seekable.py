"""Something of a known length that is read from any place on, as decoders and the bucket's client want files."""

import io


class Seekable(io.RawIOBase):
    """Keeps the place `at`; whoever derives from it says `size_bytes` and reads from there on."""

    def __init__(self) -> None:
        self.at = 0

    @property
    def size_bytes(self) -> int:
        raise NotImplementedError

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.size_bytes}[whence]
        return self.at
