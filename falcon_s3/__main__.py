"""`python -m falcon_s3` is `falcon-s3`."""

from falcon_s3.cli import main

if __name__ == "__main__":
    main(prog_name="falcon-s3")
