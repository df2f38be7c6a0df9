"""Onsale: ticket booking that survives the minute tickets go on sale.

The code lives in the top-level folders `web/`, `workers/`, `queue/` and `db/`; it is imported as `onsale.web`,
`onsale.workers`, `onsale.queue` and `onsale.db` through the links beside this file. `queue/` has no `__init__.py`,
so that `import queue` always means Python's own module.
"""

from pathlib import Path

_here = Path(__file__).parent

# Put the checkout in front of the links: tracebacks, breakpoints and coverage then name queue/store.py, the path git
# knows. It also carries a checkout that lost its links (Windows, a zip archive).
if (_here / "web").is_symlink() or not (_here / "web").is_dir():
    __path__.insert(0, str(_here.parent))
