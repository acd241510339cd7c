"""falcon-s3: an S3 gateway for versioned data."""

__version__ = "0.1.0"
