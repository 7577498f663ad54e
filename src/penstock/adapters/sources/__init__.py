"""Where documents come from: files, installed Python packages, the ClinicalTrials.gov service."""
