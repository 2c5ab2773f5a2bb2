"""The auditors' console: the examined copy as pages on the auditor's own machine."""
