"""How much of a callback is taken."""

# A song's result is below 10 KB; an error of fal's that quotes the input stays far below this too.
BODY_MAX_BYTES = 256 * 1024
