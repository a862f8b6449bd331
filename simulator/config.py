"""The simulator's configuration, read from SIMULATOR_* variables of the environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

PREFIX = "SIMULATOR_"


class Config(BaseModel):
    """Every field may be set as SIMULATOR_<FIELD IN CAPITALS>."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path | None = None
    url: str = ""
    key: str = "simulator:secret"
    admin_key: str = ""
    user_id: str = "sim-user"
    slots: Annotated[int, Field(ge=1, le=64)] = 2
    song_seconds: Annotated[float, Field(gt=0, le=600)] = 90.0
    queue_seconds: Annotated[float, Field(ge=0)] = 1.5
    run_seconds: Annotated[float, Field(ge=0)] = 6.0
    webhook_secret: str = ""
    webhook_timeout_seconds: Annotated[float, Field(gt=0)] = 15.0
    webhook_retry_seconds: Annotated[float, Field(gt=0)] = 1.0
    webhook_retry_max_seconds: Annotated[float, Field(gt=0)] = 60.0
    webhook_retries: Annotated[int, Field(ge=0, le=100)] = 31
    unfinished_status: Annotated[int, Field(ge=400, le=499)] = 400
    result_seconds: Annotated[float, Field(gt=0)] = 30 * 86400.0
    cancel_answer: Literal["newest", "older"] = "newest"
    cancel_running: Literal["stop", "ignore"] = "stop"
    cancel_webhook: bool = True
    cache_bytes: Annotated[int, Field(gt=0)] = 1 << 30
    upload_max_bytes: Annotated[int, Field(gt=0)] = 512 << 20
    retired: tuple[str, ...] = ()

    @field_validator("retired", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(filter(None, value.split(","))) if isinstance(value, str) else value

    @field_validator("url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises pydantic.ValidationError where a value is no legal one."""
        given = {name: environment.get(PREFIX + name.upper(), "") for name in cls.model_fields}
        return cls.model_validate({name: value for name, value in given.items() if value})
