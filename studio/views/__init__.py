"""The pages of the studio: each view parses, makes one call into the domain and presents what came of it."""
