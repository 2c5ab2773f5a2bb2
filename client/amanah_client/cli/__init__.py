"""The command line `amanah`: results on standard output, talk on standard error."""
