"""Intake of alerts: what sensors and monitoring systems write becomes typed `Alert`s."""
