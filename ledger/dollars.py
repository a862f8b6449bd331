"""How millionths of a dollar read as text; apart from `money` because errors speak in dollars too."""

MICROS_PER_DOLLAR = 1_000_000


def format_dollars(micros: int) -> str:
    """Dollars for programs: four decimals, up to six where four are not exact: 75_000 is ``0.0750``."""
    return _decimal(micros, at_least=4)


def display_dollars(micros: int) -> str:
    """Dollars for people: two decimals, more only where they count: ``$6.85``, ``$0.075``, ``-$1,200.00``."""
    sign = "-" if micros < 0 else ""
    return f"{sign}${_decimal(abs(micros), at_least=2, separator=',')}"


def _decimal(micros: int, *, at_least: int, separator: str = "") -> str:
    whole, fraction = divmod(abs(micros), MICROS_PER_DOLLAR)
    decimals = f"{fraction:06d}".rstrip("0").ljust(at_least, "0")
    return f"{'-' if micros < 0 else ''}{whole:{separator}}.{decimals}"
