"""`python -m styledial`: the same as `styledial`."""

from styledial.cli.main import main

if __name__ == "__main__":
    main()
