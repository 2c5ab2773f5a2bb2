"""The auditor's tools: hold a copy of the log against what was promised, and hand it on. No content is here."""
