"""Run the command line as `python -m cascade_pipelines.cli`."""

from .app import main

if __name__ == "__main__":
    main()
