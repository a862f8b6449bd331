"""A stand-in for fal.ai: it speaks its queue, webhook, storage and platform protocol over HTTP and makes real audio."""
