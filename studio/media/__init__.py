"""The only package that touches audio and the files of tracks."""
