"""`python -m loopbp`: the command `loopbp`."""

from .cli import main

if __name__ == "__main__":
    main()
