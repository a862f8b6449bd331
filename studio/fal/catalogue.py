"""What fal's catalogue says of endpoints."""

from collections.abc import Sequence
from typing import Final

from studio.fal.billing import Read
from studio.fal.errors import Unreachable

MODELS_PATH: Final = "models"


def statuses(read: Read, endpoint_ids: Sequence[str]) -> dict[str, str]:
    """Of each that is listed: "active" or "deprecated"; what is not listed is gone.

    :raises Unreachable: fal can't be asked, or its answer can't be understood.
    """
    listed = read(MODELS_PATH, {"endpoint_id": list(endpoint_ids)}).get("models")
    if not isinstance(listed, list):
        raise Unreachable("fal.ai's catalogue can't be read: it lists no models.")
    return {
        str(model.get("endpoint_id")): str((model.get("metadata") or {}).get("status"))
        for model in listed
        if isinstance(model, dict)
    }
