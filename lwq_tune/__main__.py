"""Entry point of ``python -m lwq_tune``."""

import sys

from lwq_tune.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
