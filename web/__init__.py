"""HTTP: the app factory, the API, the pages and the console.

    app = create_app(Config.from_env(os.environ))

The API (`web/api/`) and the pages (`web/pages/`) are two ways in to the same verbs: `joining`, `booking`, `dial`,
`showing`, `auth`.
"""

from onsale.web.application import create_app

__all__ = ["create_app"]
