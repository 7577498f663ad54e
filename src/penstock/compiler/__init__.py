"""From a plan to Dagster: jobs, ops, sensors. Dagster is imported here and in `penstock.definitions`, nowhere else."""
