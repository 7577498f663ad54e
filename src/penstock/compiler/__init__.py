"""From a plan to Dagster: jobs, ops, sensors. Dagster is imported here, in
`penstock.definitions` and in `penstock.component`, nowhere else."""
