"""`python -m lastseen` is `lastseen`."""

from lastseen.cli import main

if __name__ == "__main__":
    main()
