"""`falcon-s3`, which is `python -m falcon_s3`."""

import sys

from falcon_s3 import tunables


def main() -> None:
    tunables.begin_anew(sys.argv[1:])
    try:
        from falcon_s3.cli import main as command  # which takes its time to load
    except KeyboardInterrupt:
        sys.exit("Aborted!")  # what click says and does of one that comes later
    command(prog_name="falcon-s3")


if __name__ == "__main__":
    main()
