from tests.simulator.conftest import receiver

__all__ = ["receiver"]
