"""The style tags that Sonauto knows: what they are, how to find one, and how far they have moved since."""
