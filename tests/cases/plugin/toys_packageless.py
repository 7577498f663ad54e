"""An adapter module that needs a package which is not there."""

import penstock_no_such_package  # noqa: F401 - what nobody has installed
