"""The packages here have tests of their own, which need them installed: `test_acme_penstock` runs them."""

collect_ignore = ["acme_penstock"]
